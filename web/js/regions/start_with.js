/** Ready-made regions. */
import { say } from "../words.js";

const box = numbers => ({kind: "box", numbers});

/** As many parts side by side as there are experts. */
function strips(experts, across) {
    return experts.map(({slot}, i) => {
        const from = i / experts.length, to = (i + 1) / experts.length;
        return [slot, [box(across ? [from, 0, to, 1] : [0, from, 1, to])]];
    });
}

/** The border of the canvas, without overlapping what it surrounds. */
const FRAME = [[0, 0, 1, 0.2], [0, 0.8, 1, 1], [0, 0.2, 0.2, 0.8], [0.8, 0.2, 1, 0.8]];

/** [[slot, shapes], ...] for the experts that are there. */
export const STARTS = [
    {name: () => say`Left and right`, parts: experts => strips(experts.slice(0, 2), true)},
    {name: () => say`Top and bottom`, parts: experts => strips(experts.slice(0, 2), false)},
    {name: () => say`Thirds`, parts: experts => strips(experts.slice(0, 3), true)},
    {name: () => say`A centre`, parts: ([{slot}]) => [[slot, [{kind: "ellipse", numbers: [0.5, 0.5, 0.3, 0.35]}]]]},
    {
        name: () => say`A frame`,
        parts: ([{slot}, second]) => [
            [slot, FRAME.map(box)],
            ...(second ? [[second.slot, [box([0.2, 0.2, 0.8, 0.8])]]] : []),
        ],
    },
    {name: () => say`Nothing`, parts: () => []},
];
