/** Four experts and more: a slider for each, and a bar of how they share. */
import { make } from "../dom.js";
import { say } from "../words.js";
import { legend } from "./legend.js";
import { numberField } from "./number_field.js";
import { percent } from "./numbers.js";
import { slider } from "./slider.js";

const BAR = 11, ROW = 24, GAP = 2;                                      // pixels, as reliability_pad.css has them

function sharesBar(reliabilities) {
    const parts = reliabilities.experts.map(({label, color}) =>
        make("i", {style: `--mcdm-color: ${color}`, title: label}));
    return {
        element: make("div", {class: "mcdm-pad-parts", "aria-hidden": "true"}, ...parts),
        show() {
            const {shares} = reliabilities;
            for (const [i, part] of parts.entries()) part.style.width = percent(shares[i]).replace(" ", "");
        },
    };
}

function row(reliabilities, i) {
    const expert = reliabilities.experts[i];
    const field = numberField(reliabilities, i);
    const control = slider(reliabilities, i, {
        look: "mcdm-pad-slider",
        label: say`Reliability of ${expert.label}`,
        title: say`${expert.label}: drag, or arrow keys (Shift: big steps)`,
        valueText: () => percent(reliabilities.shares[i]),
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
export function linkedSliders(reliabilities) {
    const rows = reliabilities.experts.map((_, i) => row(reliabilities, i));
    const parts = [sharesBar(reliabilities), ...rows];
    return {
        elements: parts.map(part => part.element),
        height: BAR + rows.length * (GAP + ROW),
        show() {
            for (const part of parts) part.show();
        },
    };
}
