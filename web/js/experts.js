/** Who is connected to a mixer, by which name and in which colour: for all parts of the page that show experts. */
import { origin, widgetValue } from "./wires.js";
import { say } from "./words.js";

/**
 * One per slot: told apart by the colour-blind too (0.1 in OKLab for all kinds), and at least 2:1 on the host's dark
 * and light nodes.
 */
export const COLORS = ["#0068ff", "#ff7480", "#00b9b9", "#a28b00", "#a22eae", "#c51723", "#00745d", "#ae8bff"];

const FILE_WIDGETS = ["expert", "ckpt_name", "unet_name"];

/** "faces_hair" of builtin/faces_hair.safetensors: the file at the end of the model wires. */
function fileName(at) {
    for (let steps = 0; at?.node && steps < 20; steps++) {
        for (const widget of FILE_WIDGETS) {
            const value = widgetValue(at.node, widget, at.path);
            if (typeof value === "string" && value) return value.split(/[\\/]/).pop().replace(/\.\w+$/, "");
        }
        const index = at.node.inputs?.findIndex(input => input.type === "MODEL") ?? -1;
        at = index < 0 ? undefined : origin(at.node, index, at.path);
    }
}

/** The node that makes an expert, behind those that only change it. */
function maker(at) {
    for (let steps = 0; at?.node && at.node.comfyClass !== "ConditionExpert" && steps < 20; steps++) {
        const index = at.node.inputs?.findIndex(input => input.type === "MCDM_EXPERT") ?? -1;
        if (index < 0) return at;
        at = origin(at.node, index, at.path);
    }
    return at;
}

/**
 * The experts of a node with inputs expert_1 ... expert_8, in slot order, as the prompt will have them (without the
 * muted and bypassed ones): [{slot, name, color, key, weight}]; equal keys are one and the same expert, and the weight
 * is undefined where only a run can tell it.
 */
export function experts(node) {
    const found = [];
    for (const [index, input] of (node.inputs ?? []).entries()) {
        const slot = Number(/^expert_(\d)$/.exec(input.name)?.[1]);
        const at = slot ? origin(node, index) : undefined;
        if (!at?.node) continue;
        const made = maker(at) ?? at;
        const given = String(widgetValue(made.node, "name", made.path) ?? "").trim();
        const name = given || fileName(made) || made.node.title || say`expert ${slot}`;
        const weight = widgetValue(made.node, "weight", made.path);
        const place = [...at.path, at.node].map(node => node.id).join(":");
        found.push({slot, name, color: COLORS[slot - 1], key: `${place}/${at.slot}`, weight: Number(weight ?? NaN)});
    }
    return found;
}
