/** The reliabilities of one mixer: who is wired to it, what its text says, and the one way in which the pad sets it. */
import { experts } from "../experts.js";
import { markUndoStep } from "../host.js";
import { equalShares, format, parse } from "./numbers.js";

/** Experts with a label each: their name, with the slot where two bear the same. */
function labelled(list) {
    return list.map(expert => {
        const twin = list.some(other => other !== expert && other.name === expert.name);
        return {...expert, label: twin ? `${expert.name} (${expert.slot})` : expert.name};
    });
}

export class Reliabilities {
    experts = [];           // [{slot, name, color, key, label}] in slot order
    shares = [];            // one per expert, their sum is 1; equal ones where the text cannot be read
    error = undefined;      // why the text cannot be read
    linked = false;         // whether the text comes in by a wire
    wiring = "";            // all that a control is built of: changes with experts and their names
    onChange = () => {};

    #seen;                  // what the last refresh saw
    #written;               // {text, shares}: what set() wrote
    #edited = false;

    constructor(node, widget) {
        this.node = node;
        this.widget = widget;
    }

    get text() {
        return String(this.widget.value ?? "");
    }

    /** Whether the pad can set them. */
    get editable() {
        return this.experts.length > 1 && !this.linked && !this.error;
    }

    /** Follows text, wires and names; does nothing where none of them has changed. */
    refresh() {
        const list = experts(this.node), text = this.text;
        const linked = Boolean(this.node.inputs?.some(i => i.widget?.name === this.widget.name && i.link != null));
        const wiring = JSON.stringify([list, linked]);
        if (wiring + text === this.#seen) return;
        this.#seen = wiring + text;
        const {shares, error} = list.length ? parse(text, list.length) : {};
        // The text holds three places: while it stands as written, go on from the shares that it was written from.
        this.shares = text === this.#written?.text ? this.#written.shares : shares ?? equalShares(list.length);
        this.experts = labelled(list);
        Object.assign(this, {error, linked, wiring});
        this.onChange();
    }

    /** What the user sets, into the text at once. */
    set(shares) {
        this.#write(format(shares), shares);
    }

    /** The empty text: all equal, however many experts there are. */
    clear() {
        this.#write("");
    }

    #write(text, shares) {
        if (text === this.text) return;
        this.#written = shares && {text, shares};
        this.#edited = true;
        this.widget.value = text;
        this.widget.callback?.(text);
        this.refresh();
    }

    /** One step of the host's undo: the end of a drag, of a held key, of a typed number. */
    commit() {
        if (!this.#edited) return;
        this.#edited = false;
        markUndoStep();
    }
}
