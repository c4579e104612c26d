/** What the pad says about the mixer that it stands on. */
import { say } from "../words.js";

/** Why there is nothing to set here, if so. */
function obstacle({experts, linked, error}) {
    if (!experts.length) return say`Connect experts: the pad then sets how much each one's null prediction counts.`;
    if (linked) return say`The reliabilities come in through a wire; the pad cannot know or set them.`;
    if (error) return error;
    if (experts.length === 1)
        return say`One expert, '${experts[0].name}': only its null prediction counts. Connect another to share.`;
}

function missingFirst({node, experts}) {
    const asked = node.inputs?.some(input => input.name === "expert_1");
    if (asked && experts.length && experts[0].slot !== 1)
        return say`Nothing arrives at expert_1; connect it: the first expert leads.`;
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
export function notes(reliabilities) {
    return [obstacle(reliabilities), missingFirst(reliabilities), ...wiredTwice(reliabilities)].filter(Boolean);
}
