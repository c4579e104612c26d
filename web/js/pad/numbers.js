/** The numbers of a mixer, reliabilities or shares, as text and with the sum 1. Text is read as the nodes read it. */
import { say } from "../words.js";

/** What the numbers of a mixer mean. */
export const RELIABILITIES = "reliabilities", SHARES = "shares";

/** What a key changes a number by, without and with Shift. */
export const STEP = 0.01, BIG_STEP = 0.1;

/** What mcdm/parsing.py takes for a number: not "0x1", "1_0", "inf". */
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

export const sum = numbers => numbers.reduce((a, b) => a + b, 0);
export const toStep = number => Math.round(number / STEP) * STEP;
export const toThousandth = number => Math.round(number * 1000) / 1000;

/** A number as it is typed, with a point or a decimal comma; undefined for what is not a number. */
export function readNumber(typed) {
    const word = typed.trim().replace(",", ".");
    if (NUMBER.test(word)) return Math.min(1, Math.max(0, Number(word)));
}

export const percent = number => `${Math.round(number * 1000) / 10} %`;

/** What the empty text says of experts: all count equally, a mixture as many times as it has experts. */
export function equal(experts) {
    const counts = experts.map(({count = 1}) => count), total = sum(counts);
    return counts.map(count => count / total);
}

export function isEqual(numbers, experts) {
    return equal(experts).every((number, i) => Math.abs(number - numbers[i]) < 1e-12);
}

/** "0,5 0.5" is meant as two numbers, whatever its third would be. */
function hasDecimalComma(text) {
    return /\d,\d/.test(text) && /\s/.test(text.trim());
}

function wrongCount(what, text, given, count, mixture, example) {
    return mixture
        ? say`${what} '${text}': ${given} numbers for ${count} experts and a mixture; give one for each wired expert, \
in slot order, the mixture's last, such as '${example}' (with a decimal point, not a decimal comma).`
        : say`${what} '${text}': ${given} numbers for ${count} experts; give one for each wired expert, \
in slot order, such as '${example}' (with a decimal point, not a decimal comma).`;
}

/**
 * {numbers, all, passed}, or {error}: the rules and the sentences of mcdm/parsing.py and mcdm/mixture.py.
 * experts: as mix.js has them, the last one without a slot where it is a mixture. numbers: one each, with the sum 1.
 * all, passed: where they are read by slot, every number of the text, and the slots that are passed over.
 */
export function parse(text, experts, meaning) {
    const count = experts.length, slots = experts.map(({slot}) => slot).filter(Boolean), mixture = count - slots.length;
    const what = meaning === SHARES ? say`Shares` : say`Reliabilities`;
    if (!text.trim()) return {numbers: equal(experts)};
    const example = Array(count).fill("1").join(", ");
    const all = [];
    for (const field of text.split(",")) {
        const words = field.split(/\s+/).filter(Boolean);
        if (!words.length)
            return {error: say`${what} '${text}': an empty field between or beside commas; \
give ${count} numbers such as '${example}'.`};
        for (const word of words) {
            const number = NUMBER.test(word) ? Number(word) : NaN;
            if (!Number.isFinite(number) || number < 0)
                return {error: say`${what} '${text}': '${word}' is not a non-negative number; \
give ${count} numbers such as '${example}'.`};
            all.push(number);
        }
    }
    const bySlot = all.length !== count;
    if (bySlot && (all.length < (slots.at(-1) ?? 0) + mixture || hasDecimalComma(text)))
        return {error: wrongCount(what, text, all.length, slots.length, mixture, example)};
    const read = mixture ? [...slots, all.length] : slots;
    const own = bySlot ? read.map(slot => all[slot - 1]) : all;
    const passed = bySlot ? all.map((_, i) => i + 1).filter(slot => !read.includes(slot)) : [];
    const total = sum(own);
    if (bySlot && !total) return {numbers: equal(experts), all, passed};
    if (!(total > 0 && total < Infinity))
        return {error: meaning === SHARES
            ? say`Shares must not all be zero: at least one share must be above 0.`
            : say`Reliabilities must not all be zero: at least one expert's null prediction must count.`};
    return {numbers: own.map(number => number / total), all, passed};
}

/** Whole numbers in proportion to numbers; their sum is the total exactly, as by the method of largest remainders. */
export function wholeParts(numbers, total) {
    const parts = numbers.map(number => Math.floor(number * total + 1e-6));
    const rests = numbers.map((number, i) => ({i, rest: Math.round((number * total - parts[i]) * 1e6)}));
    rests.sort((a, b) => b.rest - a.rest || a.i - b.i);
    const missing = total - sum(parts);
    for (const {i} of rests.slice(0, missing)) parts[i]++;              // to those whose rest is largest
    return parts;
}

/** Numbers as the text that is saved: three places, or more, and their sum is 1 exactly. */
export function format(numbers, places = 3) {
    const total = 10 ** places;
    return wholeParts(numbers, total).map(part => part / total).join(", ");
}

/** With as many places as it takes, up to twelve. */
export function formatExactly(numbers) {
    const isExact = text => text.split(", ").every((word, i) => Math.abs(Number(word) - numbers[i]) < 1e-13);
    const texts = [3, 6, 9, 12].map(places => format(numbers, places));
    return texts.find(isExact) ?? texts.at(-1);
}

/** Number i set to a value; the others keep their proportions, or become equal where they are all zero. */
export function withNumber(numbers, i, value) {
    const number = Math.min(1, Math.max(0, value));
    const others = sum(numbers) - numbers[i];
    return numbers.map((other, j) => {
        if (j === i) return number;
        return (1 - number) * (others > 1e-9 ? other / others : 1 / (numbers.length - 1));
    });
}
