/* The steps of EfficientNet that move memory rather than compute, each in one pass over it.

   Feature maps lie in memory as (image, pixel, channel). Sums over pixels are taken a chunk at a time, the same chunks
   whatever the number of threads, so that rounding is always the same. */

#include <stdint.h>
#include <string.h>

#define WORTH_THREADS 16384 /* fewer numbers do not pay for waking them */

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

/* x limited to [-87, 87], NaN to either end. By its bits, whose order without the sign is that of the magnitudes:
   compilers turn comparisons of floats into minimum and maximum only where they may assume that none is NaN. */
static inline float limited(float x) {
    const int32_t limit = 0x42ae0000; /* the bits of 87 */
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    int32_t magnitude = bits & INT32_MAX;
    bits = (bits & INT32_MIN) | (magnitude < limit ? magnitude : limit);
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* SiLU, x * sigmoid(x), and its derivative, with one exponential; the derivative may take the place of x. */
void silu(const float *x, float *value, float *derivative, int64_t n) {
#pragma omp parallel for simd if (n > WORTH_THREADS)
    for (int64_t i = 0; i < n; i++) {
        float input = x[i];
        float sigmoid = 1.0f / (1.0f + exponential(-limited(input)));
        float product = input * sigmoid;
        value[i] = product;
        derivative[i] = sigmoid + product * (1.0f - sigmoid);
    }
}

/* sums[image, chunk, channel] of x * y over the pixels of a chunk. */
void sum_of_products(const float *x, const float *y, float *sums, int64_t images, int64_t chunks, int64_t pixels,
                     int64_t channels) {
#pragma omp parallel for collapse(2) if (images * pixels * channels > WORTH_THREADS)
    for (int64_t image = 0; image < images; image++)
        for (int64_t chunk = 0; chunk < chunks; chunk++) {
            float *sum = sums + (image * chunks + chunk) * channels;
            memset(sum, 0, channels * sizeof *sum);
            int64_t begin = image * pixels + pixels * chunk / chunks, end = image * pixels + pixels * (chunk + 1) / chunks;
            for (int64_t at = begin * channels; at < end * channels; at += channels) {
#pragma omp simd
                for (int64_t channel = 0; channel < channels; channel++)
                    sum[channel] += x[at + channel] * y[at + channel];
            }
        }
}

/* result = (gradient * scale + shift) * derivative, scale and shift being (image, channel); it may be derivative itself. */
void chain(const float *gradient, const float *scale, const float *shift, const float *derivative,
           float *result, int64_t images, int64_t pixels, int64_t channels) {
#pragma omp parallel for collapse(2) if (images * pixels * channels > WORTH_THREADS)
    for (int64_t image = 0; image < images; image++)
        for (int64_t pixel = 0; pixel < pixels; pixel++) {
            int64_t at = (image * pixels + pixel) * channels, of_image = image * channels;
#pragma omp simd
            for (int64_t channel = 0; channel < channels; channel++)
                result[at + channel] =
                    (gradient[at + channel] * scale[of_image + channel] + shift[of_image + channel]) * derivative[at + channel];
        }
}
