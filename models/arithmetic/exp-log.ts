/**
 * Exponential and logarithm that give the same bits on every machine. Math.exp and Math.log are left to the
 * engine by ECMAScript and differ between versions; whatever enters a hash, a sum or an artefact uses these.
 *
 * Ports of fdlibm 5.3 (Sun Microsystems 1993: e_exp.c, e_log.c, s_log1p.c), which names an error below one
 * unit in the last place. Only + − × ÷, comparisons and the bits of a float64 are used.
 */

/** One float64 and its two words; word 1 is the high one, as everything here is little-endian. */
const FLOAT = new Float64Array(1);
const WORDS = new Int32Array(FLOAT.buffer);

const LN2_HIGH = 6.9314718036912381649e-1; // the 33 high bits of ln 2, so that k · LN2_HIGH is exact
const LN2_LOW = 1.90821492927058770002e-10;
const INVERSE_LN2 = 1.442695040888963387;
/** 2^-28; written out in a function that is called for every row, `2 ** -28` costs a call to pow. */
const TINY = 3.725290298461914e-9;

/**
 * e^x. Overflows to Infinity above 709.78, underflows to 0 below −745.13; NaN stays NaN.
 * x = k·ln 2 + r with |r| ≤ ln 2 / 2, then a rational approximation of e^r on the remainder, times 2^k.
 */
export function exp(x: number): number {
  if (x > 709.782712893383973096) return Infinity;
  if (x < -745.13321910194110842) return 0;
  if (Number.isNaN(x)) return x;
  const size = x < 0 ? -x : x;
  if (size < TINY) return 1 + x;
  let k = 0;
  let high = x;
  let low = 0;
  if (size > 0.5 * 6.931471805599453e-1) {
    k =
      size < 1.5 * 6.931471805599453e-1
        ? x < 0
          ? -1
          : 1
        : Math.trunc(INVERSE_LN2 * x + (x < 0 ? -0.5 : 0.5));
    high = x - k * LN2_HIGH;
    low = k * LN2_LOW;
  }
  const r = high - low;
  const t = r * r;
  const c =
    r -
    t *
      (1.66666666666666019037e-1 +
        t *
          (-2.77777777770155933842e-3 +
            t *
              (6.61375632143793436117e-5 + t * (-1.6533902205465251539e-6 + t * 4.13813679705723846039e-8))));
  if (k === 0) return 1 - ((r * c) / (c - 2) - r);
  return timesPowerOfTwo(1 - (low - (r * c) / (2 - c) - high), k);
}

/** y · 2^k for y in [0.5, 2.5] and k in [−1075, 1024]; only the last product can round. */
function timesPowerOfTwo(y: number, k: number): number {
  if (k >= -1021 && k < 1024) return y * POWERS_OF_TWO[k + 1022]!;
  if (k === 1024) return y * 2 * POWERS_OF_TWO[2045]!;
  return y * POWERS_OF_TWO[k + 2022]! * 9.3326361850321887899e-302; // 2^-1000: the result is subnormal
}

/** 2^k at k + 1022, for k from −1022 to 1023, from its bits; a table, because exp is called for every row. */
const POWERS_OF_TWO = Float64Array.from({ length: 2046 }, (_, i) => {
  WORDS[0] = 0;
  WORDS[1] = (i + 1) << 20;
  return FLOAT[0]!;
});

/** ln x. −Infinity at 0, NaN below. x = 2^k·(1 + f) with √½ < 1 + f < √2. */
export function log(x: number): number {
  if (!(x > 0)) return x === 0 ? -Infinity : Number.NaN;
  if (x === Infinity) return x;
  let k = 0;
  FLOAT[0] = x;
  if (WORDS[1]! < 0x00100000) {
    k = -54; // subnormal
    FLOAT[0] = x * 18_014_398_509_481_984;
  }
  let highWord = WORDS[1]!;
  k += (highWord >> 20) - 1023;
  highWord &= 0x000fffff;
  const carry = (highWord + 0x95f64) & 0x100000;
  WORDS[1] = highWord | (carry ^ 0x3ff00000);
  k += carry >> 20;
  const f = FLOAT[0] - 1;
  const s = f / (2 + f);
  const half = 0.5 * f * f;
  return k * LN2_HIGH - (half - (s * (half + logSeries(s)) + k * LN2_LOW) - f);
}

/**
 * ln(1 + x) without losing the digits of a small x. −Infinity at −1, NaN below.
 */
export function log1p(x: number): number {
  if (!(x > -1)) return x === -1 ? -Infinity : Number.NaN;
  if (x === Infinity) return x;
  const size = x < 0 ? -x : x;
  if (size < 2 ** -54) return x;
  if (size < 2 ** -29) return x - x * x * 0.5;
  let k = 0;
  let f = x;
  let correction = 0;
  if (x <= -0.29289 || x >= 0.41421) {
    const u = 1 + x;
    FLOAT[0] = u;
    let highWord = WORDS[1]!;
    k = (highWord >> 20) - 1023;
    // what was lost when 1 and x were added
    correction = (k > 0 ? 1 - (u - x) : x - (u - 1)) / u;
    highWord &= 0x000fffff;
    if (highWord < 0x6a09e) {
      WORDS[1] = highWord | 0x3ff00000;
    } else {
      k += 1;
      WORDS[1] = highWord | 0x3fe00000;
    }
    f = FLOAT[0] - 1;
  }
  const half = 0.5 * f * f;
  const s = f / (2 + f);
  const series = s * (half + logSeries(s));
  if (k === 0) return f - (half - series);
  return k * LN2_HIGH - (half - (series + (k * LN2_LOW + correction)) - f);
}

/** R(s²) of ln(1 + f) = 2s + s·R, s = f / (2 + f). */
function logSeries(s: number): number {
  const z = s * s;
  return (
    z *
    (6.66666666666673513e-1 +
      z *
        (3.999999999940941908e-1 +
          z *
            (2.857142874366239149e-1 +
              z *
                (2.222219843214978396e-1 +
                  z *
                    (1.818357216161805012e-1 +
                      z * (1.531383769920937332e-1 + z * 1.479819860511658591e-1))))))
  );
}

/** 1 / (1 + e^−z): the probability of log-odds z, in (0, 1), without overflow for large |z|. */
export function sigmoid(z: number): number {
  const e = exp(z < 0 ? z : -z);
  return (z < 0 ? e : 1) / (1 + e);
}

/** −ln of the likelihood of an outcome `y` (1 bad, 0 good) under log-odds z: ln(1 + e^z) − y·z ≥ 0. */
export function logLossOf(z: number, y: number): number {
  return (z > 0 ? z : 0) - y * z + log1p(exp(z < 0 ? z : -z));
}
