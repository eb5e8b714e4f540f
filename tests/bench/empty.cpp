// An empty program linked with what tidegated is linked with: what the libraries alone cost in
// memory. tests/bench/durable-bench measures the daemon against it.
#include <unistd.h>

int main() { ::pause(); }
