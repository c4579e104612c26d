/**
 * A mixer shows the slots that are wired and the next free one. The others are taken off the node on the page alone:
 * what a file has wired stays wired, and a prompt has never had more than the wires.
 */
import { app } from "../../../scripts/app.js";
import { chain, inputsChanged, vueNodes } from "./host.js";

const NODE = "ReliabilityMixer", SLOT = /^expert_(\d)$/;
const HEIGHT = 20;                                                      // of a slot on the classic canvas, in pixels

const numberOf = input => Number(input.name.match(SLOT)?.[1] ?? 0);

/** The highest slot to show: the last that is wired, or the first that is free. */
function highest(node) {
    const wired = node.inputs.filter(input => input.link != null).map(numberOf);
    let free = 1;
    while (wired.includes(free)) free++;
    return Math.max(free, ...wired);
}

class Slots {
    #hidden = new Map();                                                // number -> slot
    #waits = false;

    constructor(node) {
        this.node = node;
    }

    /** As soon as what goes on is done: a file is loaded, a wire has been drawn. shown: how many there were. */
    follow(shown) {
        if (this.#waits) return;
        this.#waits = true;
        queueMicrotask(() => {
            this.#waits = false;
            if (this.node.graph) this.#adapt(shown);
        });
    }

    /**
     * Takes off at once what a file or a copy does not have: the wires of both count its slots. saved: their names.
     * Newer pages, which know a wire by its place, show one here that is another slot's: it stays at its place.
     */
    configured(saved) {
        const {node} = this;
        for (const input of [...node.inputs])
            if (numberOf(input) && !saved.includes(input.name)) {
                this.#hidden.set(numberOf(input), input);
                node.inputs.splice(node.inputs.indexOf(input), 1);
            }
        this.follow(node.inputs.filter(numberOf).length);
    }

    #adapt(before) {
        const {node} = this, last = highest(node), now = node.inputs.filter(numberOf);
        for (const input of now.filter(input => numberOf(input) > last)) {
            this.#hidden.set(numberOf(input), input);
            node.removeInput(node.inputs.indexOf(input));
        }
        for (const number of [...this.#hidden.keys()].sort())
            if (number <= last) this.#putBack(number);
        const change = node.inputs.filter(numberOf).length - (before ?? now.length);
        if (change && !vueNodes() && !node.flags?.collapsed) {
            const [width, height] = node.size;
            node.setSize([width, Math.max(node.computeSize()[1], height + change * HEIGHT)]);
        }
        inputsChanged(node);
    }

    #putBack(number) {
        const {inputs, graph} = this.node;
        const wires = new Map(inputs.map(input => [input, input.link == null ? undefined : graph.getLink(input.link)]));
        const later = inputs.findIndex(input => !numberOf(input) || numberOf(input) > number);
        inputs.splice(later < 0 ? inputs.length : later, 0, this.#hidden.get(number));
        this.#hidden.delete(number);
        // Newer pages know a slot's wire by the slot's place, and let no two wires have the same: the last goes first.
        for (const [index, input] of [...inputs.entries()].reverse()) {
            const wire = wires.get(input);
            if (wire && wire.target_slot !== index) wire.target_slot = index;
        }
    }
}

app.registerExtension({
    name: "mcdm.slots",
    nodeCreated(node) {
        if (node.comfyClass !== NODE || !node.inputs) return;
        const slots = new Slots(node), {configure, onConfigure} = node;
        let saved;
        node.configure = info => {
            saved = info.inputs?.map(input => input.name);          // before the host puts in those of the node's kind
            configure.call(node, info);
        };
        node.onConfigure = (...values) => {
            if (saved) slots.configured(saved);                     // before the pad asks how high the node is
            return onConfigure?.apply(node, values);
        };
        chain(node, "onAdded", () => slots.follow());
        chain(node, "onConnectionsChange", () => slots.follow());
    },
});
