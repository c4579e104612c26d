/** Four experts and more: a slider for each, and a bar of how they share. */
import { make } from "../dom.js";
import { say } from "../words.js";
import { legend } from "./legend.js";
import { numberField } from "./number_field.js";
import { percent } from "./numbers.js";
import { slider } from "./slider.js";
import { TERMS } from "./terms.js";

const BAR = 11, ROW = 24, GAP = 2;                                      // pixels, as reliability_pad.css has them

function partsBar(mix) {
    const parts = mix.experts.map(({label, color}) => make("i", {style: `--mcdm-color: ${color}`, title: label}));
    return {
        element: make("div", {class: "mcdm-pad-parts", "aria-hidden": "true"}, ...parts),
        show() {
            for (const [i, part] of parts.entries()) part.style.width = percent(mix.numbers[i]).replace(" ", "");
        },
    };
}

function row(mix, i) {
    const expert = mix.experts[i];
    const field = numberField(mix, i);
    const control = slider(mix, i, {
        look: "mcdm-pad-slider",
        label: TERMS[mix.meaning].one(expert.label),
        title: say`${expert.label}: drag, or arrow keys (Shift: big steps)`,
        valueText: () => percent(mix.numbers[i]),
        limits: () => mix.limits?.[i],
    });
    control.element.style.setProperty("--mcdm-color", expert.color);
    return {
        element: make("div", {class: "mcdm-pad-row"}, legend(expert), control.element, field.element),
        show() {
            control.show();
            field.show();
        },
    };
}

/** {elements, height, show}; height in pixels. */
export function linkedSliders(mix) {
    const rows = mix.experts.map((_, i) => row(mix, i));
    const parts = [partsBar(mix), ...rows];
    return {
        elements: parts.map(part => part.element),
        height: BAR + rows.length * (GAP + ROW),
        show() {
            for (const part of parts) part.show();
        },
    };
}
