/* SiLU, x * sigmoid(x), and its derivative, in one pass and with one exponential. */

#include <stdint.h>
#include <string.h>

/* e^x to 2e-7 relative, for x in [-87, 87], as exp(x) = 2^n * exp(r) with |r| <= ln(2) / 2; the polynomial is that of
   the Cephes library. Written so that compilers turn it into vector instructions. */
static inline float exponential(float x) {
    const float round = 12582912.0f; /* 1.5 * 2^23: added and subtracted, it leaves the nearest whole number */
    float n = (x * 1.44269504f + round) - round;
    float r = x - n * 0.693359375f + n * 2.12194440e-4f; /* ln(2) in two parts: the first product is exact */
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    int32_t bits = ((int32_t)n + 127) << 23; /* 2^n, as its exponent in the bits of a float */
    float power;
    memcpy(&power, &bits, sizeof power);
    return (p * r * r + r + 1.0f) * power;
}

/* value or derivative may be x itself. */
void silu(const float *x, float *value, float *derivative, int64_t n) {
#pragma omp parallel for simd if (n > 16384) /* fewer do not pay for waking threads */
    for (int64_t i = 0; i < n; i++) {
        float input = x[i];
        float exponent = -input > -87.0f ? -input : -87.0f;
        float sigmoid = 1.0f / (1.0f + exponential(exponent < 87.0f ? exponent : 87.0f));
        float product = input * sigmoid;
        value[i] = product;
        derivative[i] = sigmoid + product * (1.0f - sigmoid);
    }
}
