/** The numbers of one mixer: who is wired to it, what its text says, and the one way in which the pad sets it. */
import { goesTo, parts } from "../experts.js";
import { markUndoStep } from "../host.js";
import { widgetBehind, widgetValue } from "../wires.js";
import { say } from "../words.js";
import { RELIABILITIES, SHARES, equal, format, formatExactly, isEqual, parse, sum, toThousandth } from "./numbers.js";
import { balanced, limits, reliabilitiesOf, sharesOf } from "./shares.js";

/** Experts with a label each: their name, with the slot where two bear the same. */
function labelled(list) {
    return list.map(expert => {
        const twin = list.some(other => other !== expert && other.name === expert.name);
        return {...expert, label: twin ? `${expert.name} (${expert.slot})` : expert.name};
    });
}

/** The weights of experts; undefined where only a run can tell them all. */
function weightsOf(list) {
    const weights = list.map(expert => expert.weight);
    return weights.every(Number.isFinite) ? weights : undefined;
}

export class Mix {
    experts = [];           // [{slot, name, color, key, weight, label}] in slot order; last a mixture, without a slot
    meaning = RELIABILITIES;
    numbers = [];           // reliabilities or shares, one per expert, with the sum 1; equal where the text is no good
    weights = undefined;    // one per expert, where they are known
    reliabilities = undefined;      // both forms of the numbers, as they act with these weights
    shares = undefined;
    limits = undefined;     // [[low, high], ...]: outside them one look burns and another vanishes; or none is met
    error = undefined;      // why the text cannot be read
    passed = [];            // slots whose numbers are passed over
    linked = false;         // whether the text comes in by a wire
    masked = false;         // whether masks or regions follow, by which the numbers differ from place to place
    wiring = "";            // all that a control is built of: changes with experts and their names
    widget = undefined;     // whose value is the text
    onChange = () => {};

    #seen;                  // what the last refresh saw
    #all;                   // all numbers of the text, where some are passed over
    #written;               // {text, numbers, note}: what the pad wrote
    #edited = false;

    /** home: the node that has the text; path: the subgraphs' nodes from there to the mixer. */
    constructor(home, mixer, path) {
        Object.assign(this, {home, mixer, path});
    }

    get text() {
        return String(this.widget.value ?? "");
    }

    /** Whether the pad can set them. */
    get editable() {
        return this.experts.length > 1 && !this.linked && !this.error;
    }

    /** Whether the numbers can be said in the other meaning. */
    get turnable() {
        return this.editable && Boolean(this.weights && this.#meaningWidget);
    }

    /** What the last turn could not keep, until something is changed. */
    get note() {
        return this.text === this.#written?.text ? this.#written.note : undefined;
    }

    get #meaningWidget() {
        return widgetBehind(this.mixer, "meaning", this.path);
    }

    get #isLinked() {
        const {home, widget} = this;
        return Boolean(home.inputs?.some(input => input.widget?.name === widget.name && input.link != null));
    }

    /** Follows text, meaning, wires, names and weights; does nothing where none of them has changed. */
    refresh() {
        const {mixer, path, text} = this;
        const list = parts(mixer, path), linked = this.#isLinked;
        const meaning = widgetValue(mixer, "meaning", path) === SHARES ? SHARES : RELIABILITIES;
        const masked = ["AutomaticMasks", "ExpertRegions"].some(kind => goesTo(mixer, kind));
        const seen = JSON.stringify([list, linked, masked, meaning, text]);
        if (seen === this.#seen) return;
        this.#seen = seen;
        const {numbers, error, all, passed = []} = list.length ? parse(text, list, meaning) : {};
        // The text holds three places: while it stands as written, go on from the numbers that it was written from.
        const own = text === this.#written?.text && !error && this.#written.numbers?.length === list.length;
        this.numbers = own ? this.#written.numbers : numbers ?? equal(list);
        this.experts = labelled(list);
        this.wiring = JSON.stringify([list.map(({weight, ...expert}) => expert), linked, meaning]);
        this.#all = all;
        Object.assign(this, {error, linked, masked, meaning, passed, weights: weightsOf(list)});
        this.#weigh();
        this.onChange();
    }

    /** Both forms of the numbers. */
    #weigh() {
        const {weights, numbers, meaning} = this;
        this.reliabilities = this.shares = this.limits = undefined;
        if (!weights?.length) return;
        this.reliabilities = meaning === SHARES ? reliabilitiesOf(weights, numbers) : numbers;
        this.shares = sharesOf(weights, this.reliabilities);
        this.limits = this.masked ? undefined : limits(meaning, weights);
    }

    /** What the user sets, into the text at once. */
    set(numbers) {
        this.#write(format(this.#inSlots(numbers)), numbers);
    }

    /** A text as it was typed. */
    type(text) {
        if (text !== this.text) this.#write(text);
    }

    /** The empty text: all equal, however many experts there are. */
    clear() {
        this.#write("");
    }

    /** Says the same by the other meaning: the picture stays, as far as shares from 0 to 1 can say it. */
    turn() {
        const {weights, numbers, shares, reliabilities} = this;
        const meaning = this.meaning === SHARES ? RELIABILITIES : SHARES;
        let turned = numbers, note;
        if (!balanced(weights)) {
            const wanted = meaning === SHARES ? shares : reliabilities;
            const positive = wanted.map(number => Math.max(0, number));
            turned = positive.map(number => number / sum(positive));
            if (wanted.some(number => number < -0.0005)) {
                const told = wanted.map(toThousandth).join(", ");
                note = say`The picture changes: it had shares of ${told}, and only reliabilities say those below 0.`;
            }
        }
        const text = this.text.trim() || !isEqual(turned, this.experts) ? formatExactly(this.#inSlots(turned)) : "";
        this.#edited = true;
        this.#put(this.#meaningWidget, meaning);
        this.#write(text, turned, note);
    }

    /** A number for each slot of the text, where it is read by slot: those that are passed over keep their part. */
    #inSlots(numbers) {
        if (!this.passed.length) return numbers;
        const total = sum(this.#all), last = this.#all.length;
        const own = new Map(this.experts.map(({slot = last}, i) => [slot, numbers[i]]));
        const others = this.#all.map((number, i) => (own.has(i + 1) ? 0 : number / total || 0));
        const scale = 1 - sum(others) < 0.001 ? 0.5 : 1;                // else nothing is left to those that are wired
        const rest = 1 - scale * sum(others);
        return others.map((other, i) => (own.has(i + 1) ? own.get(i + 1) * rest : other * scale));
    }

    #write(text, numbers, note) {
        const same = text === this.text;
        this.#written = numbers && {text, numbers, note};
        if (same) return this.refresh();
        this.#edited = true;
        this.#put(this.widget, text);
        this.refresh();
    }

    #put(widget, value) {
        widget.value = value;
        widget.callback?.(value);
    }

    /** One step of the host's undo: the end of a drag, of a held key, of a typed number. */
    commit() {
        if (!this.#edited) return;
        this.#edited = false;
        markUndoStep();
    }
}
