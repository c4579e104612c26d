/** Reliabilities as text and as shares, which are numbers that sum to 1. Text is read as the nodes read it. */
import { say } from "../words.js";

/** What a key changes a share by, without and with Shift. */
export const STEP = 0.01, BIG_STEP = 0.1;

/** What mcdm/parsing.py takes for a number: not "0x1", "1_0", "inf". */
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

export const sum = numbers => numbers.reduce((a, b) => a + b, 0);
export const toStep = share => Math.round(share / STEP) * STEP;
export const toThousandth = share => Math.round(share * 1000) / 1000;

/** A share as it is typed, with a point or a decimal comma; undefined for what is not a number. */
export function readShare(typed) {
    const word = typed.trim().replace(",", ".");
    if (NUMBER.test(word)) return Math.min(1, Math.max(0, Number(word)));
}

export const percent = share => `${Math.round(share * 1000) / 10} %`;

export function equalShares(count) {
    return Array(count).fill(1 / count);
}

/** {shares}, or {error}: the rules and the sentences of mcdm/parsing.py and mcdm/mixture.py. */
export function parse(text, count) {
    if (!text.trim()) return {shares: equalShares(count)};
    const example = Array(count).fill("1").join(", ");
    const numbers = [];
    for (const field of text.split(",")) {
        const words = field.split(/\s+/).filter(Boolean);
        if (!words.length)
            return {error: say`Reliabilities '${text}': an empty field between or beside commas; \
give ${count} numbers such as '${example}'.`};
        for (const word of words) {
            const number = NUMBER.test(word) ? Number(word) : NaN;
            if (!Number.isFinite(number) || number < 0)
                return {error: say`Reliabilities '${text}': '${word}' is not a non-negative number; \
give ${count} numbers such as '${example}'.`};
            numbers.push(number);
        }
    }
    if (numbers.length !== count)
        return {error: say`Reliabilities '${text}': ${numbers.length} numbers for ${count} experts; \
give one for each wired expert, in slot order, such as '${example}' (with a decimal point, not a decimal comma).`};
    const total = sum(numbers);
    if (!(total > 0 && total < Infinity))
        return {error: say`Reliabilities must not all be zero: at least one expert's null prediction must count.`};
    return {shares: numbers.map(number => number / total)};
}

/** Whole numbers in proportion to shares; their sum is the total exactly, as by the method of largest remainders. */
export function wholeParts(shares, total) {
    const parts = shares.map(share => Math.floor(share * total + 1e-6));
    const rests = shares.map((share, i) => ({i, rest: Math.round((share * total - parts[i]) * 1e6)}));
    rests.sort((a, b) => b.rest - a.rest || a.i - b.i);
    const missing = total - sum(parts);
    for (const {i} of rests.slice(0, missing)) parts[i]++;              // to those whose rest is largest
    return parts;
}

/** Shares as the text that is saved: three places, and their sum is 1 exactly. */
export function format(shares) {
    return wholeParts(shares, 1000).map(part => part / 1000).join(", ");
}

/** Share i set to a value; the others keep their proportions, or become equal where they are all zero. */
export function withShare(shares, i, value) {
    const share = Math.min(1, Math.max(0, value));
    const others = sum(shares) - shares[i];
    return shares.map((other, j) => {
        if (j === i) return share;
        return (1 - share) * (others > 1e-9 ? other / others : 1 / (shares.length - 1));
    });
}
