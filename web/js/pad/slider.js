/** A horizontal slider for the number of one expert. */
import { make } from "../dom.js";
import { grip } from "./grip.js";
import { toStep, toThousandth, withNumber } from "./numbers.js";

/** {element, show} for the number of expert i; valueText() says where it stands, limits() how far it is good. */
export function slider(mix, i, {look, label, title, valueText, limits}) {
    const hatched = [make("i", {class: "mcdm-pad-out"}), make("i", {class: "mcdm-pad-out mcdm-pad-out-right"})];
    const element = make("div", {
        class: look, role: "slider", "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": label, title,
    }, ...hatched, make("b"));

    function pointed(event, base) {
        const box = element.getBoundingClientRect();
        return withNumber(base, i, toStep((event.clientX - box.left) / box.width));
    }

    function keyed(key, step) {
        const {numbers} = mix;
        const to = value => withNumber(numbers, i, toThousandth(value));
        if (/^(ArrowRight|ArrowUp|PageUp)$/.test(key)) return to(numbers[i] + step);
        if (/^(ArrowLeft|ArrowDown|PageDown)$/.test(key)) return to(numbers[i] - step);
        if (key === "Home") return to(0);
        if (key === "End") return to(1);
    }

    function show() {
        const number = mix.numbers[i], [low, high] = limits() ?? [0, 1];
        for (const [k, part] of [low, 1 - high].entries()) {
            hatched[k].hidden = part < 0.0005;
            hatched[k].style.setProperty("--mcdm-part", Math.min(1, part));
        }
        element.style.setProperty("--mcdm-at", number);
        element.setAttribute("aria-valuenow", Math.round(number * 100));
        element.setAttribute("aria-valuetext", valueText());
    }

    grip(element, mix, pointed, keyed);
    return {element, show};
}
