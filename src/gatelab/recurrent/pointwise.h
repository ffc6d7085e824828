/* What the functions of a compiled cell call. T is float or double. Loops over these are vectorised, which calls into the C
   library are not: so exp is a power of two times its Taylor series, log a sum of exponents and the series of atanh. */

#include <stdint.h>
extern double erf(double), sin(double), cos(double);
extern float erff(float), sinf(float), cosf(float);

#ifdef DOUBLE
typedef double T;
typedef int64_t bits;
#define MANTISSA 52
#define BIAS 1023
#define LARGEST 710
#define SMALLEST -746
#define LN2_HIGH 6.93147180369123816490e-01
#define LN2_LOW 1.90821492927058770002e-10
#define TINY 2.2250738585072014e-308
#define rint __builtin_rint
#define sqrt __builtin_sqrt
#define abs __builtin_fabs
#else
typedef float T;
typedef int32_t bits;
#define MANTISSA 23
#define BIAS 127
#define LARGEST 89
#define SMALLEST -104
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440e-4f
#define TINY 1.17549435e-38f
#define rint __builtin_rintf
#define sqrt __builtin_sqrtf
#define abs __builtin_fabsf
#define erf erff
#define sin sinf
#define cos cosf
#endif

#define where(condition, x, y) ((condition) ? (T)(x) : (T)(y))

static inline T maximum(T x, T y) { return x > y || x != x ? x : y; }
static inline T minimum(T x, T y) { return x < y || x != x ? x : y; }
static inline T sign(T x) { return (T)(x > 0) - (T)(x < 0); }

static inline T power_of_two(bits k) {
    union { bits i; T x; } number = {(k + BIAS) << MANTISSA};
    return number.x;
}

/* exp(r) - 1 for |r| <= ln 2 / 2 */
static inline T series(T r) {
    T sum = 0;
#ifdef DOUBLE
    sum = sum * r + 1 / (T)6227020800;
    sum = sum * r + 1 / (T)479001600;
    sum = sum * r + 1 / (T)39916800;
    sum = sum * r + 1 / (T)3628800;
    sum = sum * r + 1 / (T)362880;
    sum = sum * r + 1 / (T)40320;
#endif
    sum = sum * r + 1 / (T)5040;
    sum = sum * r + 1 / (T)720;
    sum = sum * r + 1 / (T)120;
    sum = sum * r + 1 / (T)24;
    sum = sum * r + 1 / (T)6;
    sum = sum * r + 1 / (T)2;
    return r + r * r * sum;
}

static inline T exp(T x) {
    x = x > LARGEST ? LARGEST : x < SMALLEST ? SMALLEST : x;
    T k = rint(x * (T)1.4426950408889634);
    T r = x - k * LN2_HIGH - k * LN2_LOW;
    bits half = (bits)k >> 1; /* two powers, so that the ends of the range are reached */
    return (1 + series(r)) * power_of_two(half) * power_of_two((bits)k - half);
}

static inline T expm1(T x) {
    x = x > LARGEST ? LARGEST : x < -50 ? -50 : x;
    T k = rint(x * (T)1.4426950408889634);
    T r = x - k * LN2_HIGH - k * LN2_LOW, s = series(r);
    bits half = (bits)k >> 1;
    T first = power_of_two(half), scale = first * power_of_two((bits)k - half), large = (1 + s) * first * power_of_two((bits)k - half);
    return k > 60 ? large : scale * s + (scale - 1);
}

static inline T tanh(T x) {
    T e = expm1(2 * (x > 20 ? 20 : x < -20 ? -20 : x));
    return e / (e + 2);
}

static inline T sigmoid(T x) { return 1 / (1 + exp(-x)); }

static inline T log(T x) {
    int tiny = x < TINY; /* below the normal numbers */
    union { T x; bits i; } number = {tiny ? x * power_of_two(MANTISSA) : x};
    bits k = (number.i - ((bits)BIAS << MANTISSA) + ((bits)1 << (MANTISSA - 1))) >> MANTISSA; /* the nearer power of two */
    number.i -= k << MANTISSA;
    k -= tiny ? MANTISSA : 0;
    T s = (number.x - 1) / (number.x + 1), s2 = s * s, sum = 0;
#ifdef DOUBLE
    sum = sum * s2 + 1 / (T)25;
    sum = sum * s2 + 1 / (T)23;
    sum = sum * s2 + 1 / (T)21;
    sum = sum * s2 + 1 / (T)19;
    sum = sum * s2 + 1 / (T)17;
    sum = sum * s2 + 1 / (T)15;
    sum = sum * s2 + 1 / (T)13;
#endif
    sum = sum * s2 + 1 / (T)11;
    sum = sum * s2 + 1 / (T)9;
    sum = sum * s2 + 1 / (T)7;
    sum = sum * s2 + 1 / (T)5;
    sum = sum * s2 + 1 / (T)3;
    T result = 2 * s + 2 * s * s2 * sum + k * LN2_LOW + k * LN2_HIGH;
    return x > 0 && x < 1 / (T)0 ? result : x == 0 ? -1 / (T)0 : x > 0 ? x : 0 / (T)0;
}

static inline T log1p(T x) { /* exact where 1 + x rounds (Kahan) */
    T y = 1 + x;
    return y == 1 ? x : log(y) * (x < 1 / (T)0 ? x / (y - 1) : 1);
}

static inline T softplus(T x, T beta, T threshold) {
    return x * beta > threshold ? x : log1p(exp(minimum(x * beta, threshold))) / beta;
}
