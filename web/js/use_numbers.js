/** Writes a mixture's numbers to where they come from: weights, windows, shares or reliabilities and their meaning. */
import { makers, mixerBehind } from "./experts.js";
import { markUndoStep } from "./host.js";
import { widgetBehind } from "./wires.js";
import { say } from "./words.js";

/** The changes [[widget, value]] that numbers mean for a node's mixture; a text says what cannot be reached. */
function changes(node, numbers) {
    const mixer = mixerBehind(node);
    if (!mixer) return say`No Reliability Mixer is found behind this node; type the numbers yourself.`;
    const own = makers(mixer.node, mixer.path);
    if (own.length !== numbers.weights.length) {
        return say`The numbers are for ${numbers.weights.length} experts, and this mixer has ${own.length} of its own; \
type those of chained mixers yourself.`;
    }
    const meaning = numbers.shares ? "shares" : "reliabilities";
    const wanted = own.flatMap((made, i) => [
        [made, "weight", numbers.weights[i]],
        [made, "start_percent", numbers.windows[i][0]],
        [made, "end_percent", numbers.windows[i][1]],
    ]);
    wanted.push([mixer, "meaning", meaning], [mixer, "reliabilities", numbers[meaning].join(", ")]);
    const found = wanted.map(([at, name, value]) => [widgetBehind(at.node, name, at.path), value]);
    const lost = found.findIndex(([widget]) => !widget);
    if (lost < 0) return found;
    const [at, name] = wanted[lost];
    return say`'${name}' of '${at.node.title}' comes from a wire that cannot be followed; type it there.`;
}

/** Uses numbers {weights, shares or reliabilities, windows}, and calls besides() in the same step of undo. */
export function useNumbers(node, numbers, besides) {
    const found = changes(node, numbers);
    if (typeof found === "string") return found;
    for (const [widget, value] of found) {
        if (widget.value === value) continue;
        widget.value = value;
        widget.callback?.(value);
    }
    besides();
    markUndoStep();
}
