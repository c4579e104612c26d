/** Two experts: a crossfader from the one to the other. */
import { make } from "../dom.js";
import { say } from "../words.js";
import { legend, mixedColor, spoken } from "./legend.js";
import { numberField } from "./number_field.js";
import { slider } from "./slider.js";

/** How far the second number may go: what is the second's is not the first's. */
function limitsOf({limits}) {
    if (!limits) return;
    const [[low, high], [from, to]] = limits;
    return [Math.max(from, 1 - high), Math.min(to, 1 - low)];
}

/** {elements, height, show}; height in pixels, as reliability_pad.css has it. */
export function crossfader(mix) {
    const {experts} = mix;
    const [left, right] = experts;
    const fields = experts.map((_, i) => numberField(mix, i));
    const fader = slider(mix, 1, {
        look: "mcdm-pad-slider mcdm-pad-fader",
        label: say`Crossfader from ${left.label} to ${right.label}`,
        title: say`Drag, or arrow keys (Shift: big steps). Home: ${left.label} alone. End: ${right.label} alone.`,
        valueText: () => spoken(experts, mix.numbers),
        limits: () => limitsOf(mix),
    });
    fader.element.style.cssText = `--mcdm-left: ${left.color}; --mcdm-right: ${right.color}`;
    const ends = experts.map((expert, i) => legend(expert, fields[i].element));
    return {
        elements: [make("div", {class: "mcdm-pad-ends"}, ...ends), fader.element],
        height: 48,
        show() {
            for (const part of [fader, ...fields]) part.show();
            fader.element.style.setProperty("--mcdm-color", mixedColor(experts, mix.numbers));
        },
    };
}
