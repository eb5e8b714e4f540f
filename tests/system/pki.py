"""Authorities and certificates for tests, made by openssl."""
import subprocess
from pathlib import Path

NEW_KEY = ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes')


def openssl(*words):
    subprocess.run(['openssl', *map(str, words)], check=True, capture_output=True)


class Authority:
    """A CA in a folder of its own: ca.crt, ca.crl, and NAME.crt and NAME.key for what it issues."""

    def __init__(self, folder, name='test-ca'):
        self.folder = Path(folder)
        self.folder.mkdir()
        self.ca = self.folder / 'ca.crt'
        self.crl = self.folder / 'ca.crl'
        openssl('req', '-x509', *NEW_KEY, '-days', 2, '-subj', f'/CN={name}',
                '-keyout', self.folder / 'ca.key', '-out', self.ca)
        (self.folder / 'index.txt').touch()
        (self.folder / 'serial').write_text('1000\n')
        self.config = self.folder / 'ca.cnf'
        self.config.write_text(f'''
[ca]
default_ca = here
[here]
database = {self.folder}/index.txt
serial = {self.folder}/serial
new_certs_dir = {self.folder}
certificate = {self.ca}
private_key = {self.folder}/ca.key
default_md = sha256
default_crl_days = 1
policy = any
[any]
commonName = supplied
''')
        self.write_crl()

    def issue(self, name, alternatives='', expired=False):
        """(certificate, key) of a name."""
        base = self.folder / name
        openssl('req', *NEW_KEY, '-subj', f'/CN={name}', '-keyout', f'{base}.key',
                '-out', f'{base}.csr')
        extensions = base.with_name(f'{name}.ext')
        extensions.write_text(f'subjectAltName={alternatives}\n' if alternatives else '')
        dates = (('-startdate', '20200101000000Z', '-enddate', '20200201000000Z') if expired
                 else ('-days', 2))
        openssl('ca', '-batch', '-notext', '-config', self.config, *dates, '-extfile', extensions,
                '-in', f'{base}.csr', '-out', f'{base}.crt')
        return f'{base}.crt', f'{base}.key'

    def server(self, name='localhost'):
        return self.issue(name, 'DNS:localhost,IP:127.0.0.1')

    def revoke(self, name):
        openssl('ca', '-config', self.config, '-revoke', self.folder / f'{name}.crt')
        self.write_crl()

    def write_crl(self):
        openssl('ca', '-config', self.config, '-gencrl', '-out', self.crl)
