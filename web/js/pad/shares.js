/** Shares of the look, and reliabilities: two forms of the same numbers. The maths of mcdm/shares.py. */
import { SHARES, sum } from "./numbers.js";

const ROUNDING = 1e-9;

/** Whether the weights sum to 1: no null counts then, and shares mean nothing. */
export function balanced(weights) {
    return Math.abs(sum(weights) - 1) <= ROUNDING;
}

/** s_i = w_i - (W - 1) a_i */
export function sharesOf(weights, reliabilities) {
    const excess = sum(weights) - 1;
    return weights.map((weight, i) => weight - excess * reliabilities[i]);
}

/** a_i = (w_i - s_i) / (W - 1), none below 0, with the sum 1; s_i itself where W = 1. */
export function reliabilitiesOf(weights, shares) {
    if (balanced(weights)) return shares;
    const excess = sum(weights) - 1;
    const wanted = weights.map((weight, i) => (weight - shares[i]) / excess);
    const positive = wanted.map(number => (number > ROUNDING ? number : 0));
    return positive.map(number => number / sum(positive));
}

/**
 * How far each number may go, [[low, high], ...]: reliabilities with shares from 0 to 1, or shares that need no
 * reliability below 0. undefined where the weights sum to 1.
 */
export function limits(meaning, weights) {
    if (balanced(weights)) return;
    const excess = sum(weights) - 1;
    return weights.map(weight => {
        if (meaning === SHARES) return excess > 0 ? [-Infinity, weight] : [weight, Infinity];
        return [(weight - 1) / excess, weight / excess].sort((a, b) => a - b);
    });
}
