/* The scan of the pair tables, written as plainly as C allows: what a compiled planner would do.
 *
 * ids:  (depth, n) candidate ids, row by row; lin: (width); pair: (width, width); out: (n).
 * Compiled by tools/benchmarks/evaluator.py with `cc -O3`; the product does not use it.
 */
#include <stddef.h>
#include <stdint.h>

void pair_scan(const int16_t *ids, size_t depth, size_t n, const float *lin, const float *pair,
               size_t width, float before, float *out)
{
    for (size_t s = 0; s < n; s++) {
        float total = before;
        for (size_t first = 0; first < depth; first++) {
            const size_t row = (size_t)ids[first * n + s];
            total += lin[row];
            for (size_t second = first + 1; second < depth; second++)
                total += pair[row * width + (size_t)ids[second * n + s]];
        }
        out[s] = total;
    }
}
