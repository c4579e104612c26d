/** How the controls of the pad show who is who, and what a mixture looks and sounds like. */
import { make } from "../dom.js";
import { percent, sum } from "./numbers.js";

/** An expert's dot and name, before the elements that belong to it. */
export function legend({label, color}, ...elements) {
    const attributes = {class: "mcdm-pad-who", style: `--mcdm-color: ${color}`, title: label};
    return make("label", attributes, make("i"), make("span", {}, label), ...elements);
}

/** The experts' colours, mixed by their numbers. */
export function mixedColor(experts, numbers) {
    const channel = k => {
        const values = experts.map(({color}) => parseInt(color.slice(1 + 2 * k, 3 + 2 * k), 16));
        return Math.round(sum(values.map((value, i) => numbers[i] * value)));
    };
    return `rgb(${channel(0)} ${channel(1)} ${channel(2)})`;
}

/** "hair 75 %, skin 25 %", for those who hear the pad. */
export function spoken(experts, numbers) {
    return experts.map(({label}, i) => `${label} ${percent(numbers[i])}`).join(", ");
}
