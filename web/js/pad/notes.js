/** What the pad says about the mixer that it stands on. */
import { say } from "../words.js";
import { SHARES } from "./numbers.js";
import { balanced } from "./shares.js";
import { TERMS } from "./terms.js";

/** Why there is nothing to set here, if so. */
function obstacle({experts, linked, error, meaning}) {
    const terms = TERMS[meaning];
    if (!experts.length) return terms.none();
    if (linked) return terms.linked();
    if (error) return error;
    if (experts[0].count) return say`Only a mixture arrives, with its own numbers. Connect experts to share.`;
    if (experts.length === 1) return terms.single(experts[0].name);
}

/** Where no null counts, and no number either. */
function balance({experts, weights, meaning}) {
    if (experts.length < 2 || !weights || !balanced(weights)) return;
    return meaning === SHARES
        ? say`The weights sum to 1, so no null counts and shares mean nothing: the share of each expert is its weight. \
Change a weight.`
        : say`The weights sum to 1, so no null counts and reliabilities change nothing.`;
}

/** One sentence per expert whose null would be missed by the run. */
function missingNulls({experts, error, linked, weights, meaning, numbers, reliabilities}) {
    if (error || linked || (weights && balanced(weights))) return [];
    const counts = reliabilities ?? (meaning === SHARES ? [] : numbers);
    return experts.filter((expert, i) => expert.lacksNull && counts[i] > 0).map(({label}) =>
        say`'${label}' has no null condition, and this mixture needs it: connect the conditioning of an empty prompt.`);
}

/** Numbers without an expert. */
function passedOver({experts, passed}) {
    if (!passed.length) return;
    const slots = passed.map(slot => say`expert_${slot}`).join(", ");
    return say`${experts.length} of the numbers count, by slot; no expert arrives at ${slots}.`;
}

/** One sentence per expert that is wired more than once. */
function wiredTwice({experts}) {
    const sentences = [];
    for (const key of new Set(experts.map(expert => expert.key))) {
        const same = experts.filter(expert => expert.key === key);
        if (same.length < 2) continue;
        const slots = same.map(expert => say`expert_${expert.slot}`).reduce((a, b) => say`${a} and ${b}`);
        sentences.push(say`'${same[0].name}' is wired to ${slots}: its weights and reliabilities add up.`);
    }
    return sentences;
}

/** Sentences, the most important first. */
export function notes(mix) {
    return [
        obstacle(mix), ...missingNulls(mix), mix.note, balance(mix), passedOver(mix), ...wiredTwice(mix),
    ].filter(Boolean);
}
