/** Who is connected to a mixer, by which name and in which colour: for all parts of the page that show experts. */
import { origin, widgetValue } from "./wires.js";
import { say } from "./words.js";

/**
 * One per slot: told apart by the colour-blind too (0.1 in OKLab for all kinds), and at least 2:1 on the host's dark
 * and light nodes.
 */
export const COLORS = ["#0068ff", "#ff7480", "#00b9b9", "#a28b00", "#a22eae", "#c51723", "#00745d", "#ae8bff"];

const MIXTURE_COLOR = "#8f8f8f";

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

/** Whether an expert has no null: none is connected, and its model is none of LoadExpert, which knows its own. */
function lacksNull(at) {
    const inputOf = (node, fits) => node.inputs?.findIndex(fits) ?? -1;
    const own = inputOf(at.node, input => input.name === "null_condition");
    if (own < 0 || origin(at.node, own, at.path)) return false;
    for (let steps = 0; steps < 20; steps++) {
        const index = inputOf(at.node, input => input.type === "MODEL");
        if (index < 0) return at.node.comfyClass !== "LoadExpert";
        at = origin(at.node, index, at.path);
        if (!at?.node) return false;
    }
    return false;
}

/** Where an expert or a mixture is made, by a node of that class, behind nodes that only change it. */
function maker(at, comfyClass, type) {
    for (let steps = 0; at.node.comfyClass !== comfyClass && steps < 20; steps++) {
        const index = at.node.inputs?.findIndex(input => input.type === type) ?? -1;
        const before = index < 0 ? undefined : origin(at.node, index, at.path);
        if (!before?.node) return at;
        at = before;
    }
    return at;
}

function keyOf(at) {
    return `${[...at.path, at.node].map(node => node.id).join(":")}/${at.slot}`;
}

/** The wired slots of a node with inputs expert_1 ... expert_8: {slot, at: what arrives, made: its ConditionExpert}. */
function* wired(node, path) {
    for (const [index, input] of (node.inputs ?? []).entries()) {
        const slot = Number(input.name.match(/^expert_(\d)$/)?.[1]);
        const at = slot ? origin(node, index, path) : undefined;
        if (at?.node) yield {slot, at, made: maker(at, "ConditionExpert", "MCDM_EXPERT")};
    }
}

/**
 * The experts of a node with inputs expert_1 ... expert_8, in slot order, as the prompt will have them (without the
 * muted and bypassed ones): [{slot, name, color, key, weight, lacksNull}]; equal keys are one and the same expert, and
 * the weight is NaN where only a run can tell it. path: see wires.js.
 */
export function experts(node, path = []) {
    const found = [];
    for (const {slot, at, made} of wired(node, path)) {
        const given = String(widgetValue(made.node, "name", made.path) ?? "").trim();
        const name = given || fileName(made) || made.node.title || say`expert ${slot}`;
        const weight = Number(widgetValue(made.node, "weight", made.path) ?? NaN);
        found.push({slot, name, color: COLORS[slot - 1], key: keyOf(at), weight, lacksNull: lacksNull(made)});
    }
    return found;
}

/** The output that a node's input `mixture` is wired to; undefined where nothing arrives. */
function arrival(node, path) {
    const index = node.inputs?.findIndex(input => input.name === "mixture") ?? -1;
    const at = index < 0 ? undefined : origin(node, index, path);
    return at?.node && at;
}

/** The mixer behind a node's input `mixture`, or what else makes that; undefined where nothing arrives. */
function mixerOf(node, path) {
    const at = arrival(node, path);
    return at && maker(at, "ReliabilityMixer", "MCDM_MIXTURE");
}

/** The experts of a mixer, and after them those of the mixture that arrives there, whose slots count on. */
function chained(node, path, depth = 0) {
    const own = experts(node, path), last = own.at(-1)?.slot ?? 0, mixer = depth > 20 ? undefined : mixerOf(node, path);
    const inner = mixer?.node.comfyClass === "ReliabilityMixer" ? chained(mixer.node, mixer.path, depth + 1) : [];
    return [...own, ...inner.map(expert => {
        const slot = last + expert.slot;
        return {...expert, slot, color: COLORS[(slot - 1) % COLORS.length]};
    })];
}

/** The experts of the mixture that arrives at a node's input `mixture`: [{slot, name, color}]. */
export function expertsOf(node, path = []) {
    const mixer = mixerOf(node, path);
    if (mixer?.node.comfyClass !== "ReliabilityMixer") return [];
    return chained(mixer.node, mixer.path).map(({slot, name, color}) => ({slot, name, color}));
}

/** Whether a Condition Expert of a graph or its subgraphs bears a name, be it bypassed or not. */
export function isNameOfExpert(graph, name, depth = 0) {
    return depth < 20 && graph.nodes.some(node => {
        if (node.subgraph) return isNameOfExpert(node.subgraph, name, depth + 1);
        return node.comfyClass === "ConditionExpert" && String(widgetValue(node, "name") ?? "").trim() === name;
    });
}

/** How many experts a mixer has with those of the mixtures in its chain, and their weights' sum. */
function counted(node, path, depth = 0) {
    const own = experts(node, path), inner = mixtureOf(node, path, depth + 1);
    return {
        count: own.length + (inner?.count ?? 0),
        weight: own.reduce((sum, expert) => sum + expert.weight, inner?.weight ?? 0),
    };
}

/** What arrives at a mixer's input `mixture`, as one additional part: {name, color, key, weight, count}. */
function mixtureOf(node, path = [], depth = 0) {
    const at = depth > 20 ? undefined : arrival(node, path);
    if (!at) return;
    const mixer = mixerOf(node, path);
    const known = mixer.node.comfyClass === "ReliabilityMixer";
    const {count, weight} = known ? counted(mixer.node, mixer.path, depth) : {count: 1, weight: NaN};
    if (known && !count) return;
    return {name: say`mixture of ${known ? count : "?"}`, color: MIXTURE_COLOR, key: keyOf(at), weight, count};
}

/** Whether what a node makes goes to a node of that class, through whatever hands it on. */
export function goesTo(node, comfyClass, depth = 0) {
    const links = (node.outputs ?? []).flatMap(output => output.links ?? []);
    return depth < 20 && links.some(id => {
        const next = node.graph?.getNodeById(node.graph.getLink(id)?.target_id);
        if (!next || next.mode === 2 || next.mode === 4) return false;
        const handsOn = next.outputs?.some(output => output.type === "MCDM_MIXTURE");
        return next.comfyClass === comfyClass || (handsOn && goesTo(next, comfyClass, depth + 1));
    });
}

/** The experts of a mixer, and last, where one arrives, the mixture. path: see wires.js. */
export function parts(node, path = []) {
    return [...experts(node, path), mixtureOf(node, path)].filter(Boolean);
}
