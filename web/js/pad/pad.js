/** The pad: a heading, the control that suits the number of experts, small print, the text, and notes. */
import { make } from "../dom.js";
import { mount } from "../host.js";
import { Room } from "../room.js";
import { say } from "../words.js";
import { shareWithCanvas } from "./canvas.js";
import { crossfader } from "./crossfader.js";
import { linkedSliders } from "./linked_sliders.js";
import { notes } from "./notes.js";
import { sum } from "./numbers.js";
import { smallPrint } from "./small_print.js";
import { TERMS } from "./terms.js";
import { textField } from "./text_field.js";
import { triangle } from "./triangle.js";

// Pixels, as reliability_pad.css has them; MARGIN is what the host leaves around the element.
export const MARGIN = 8;
const FRAME = 17, HEAD = 18, FOOT = 18, TEXT = 20, GAP = 4, LINE = 15, MAX_LINES = 5, MIN_WIDTH = 60;
const BESIDE_NOTES = 2 * MARGIN + 30;

const pen = document.createElement("canvas").getContext("2d");

/** How many lines a text takes, within some pixels; rather too many. */
function lineCount(text, width) {
    pen.font = "11px Inter, Arial, sans-serif";
    return Math.ceil(pen.measureText(text).width * 1.1 / Math.max(MIN_WIDTH, width));
}

function controlFor(mix) {
    const count = mix.experts.length;
    if (count < 2) return;
    if (count === 2) return crossfader(mix);
    if (count === 3) return triangle(mix);
    return linkedSliders(mix);
}

export class Pad {
    #control;               // {elements, height, show}
    #wiring;                // what the control was built for
    #notes = [];
    #room;

    /** name: the widget's. */
    constructor(mix, name) {
        this.mix = mix;
        this.node = mix.home;
        this.#room = new Room(mix.home);
        this.title = make("span");
        const help = say`Empties the text: all experts count equally`;
        this.equalButton = make("button", {type: "button", title: help}, say`All equal`);
        this.head = make("div", {class: "mcdm-pad-head"}, this.title, this.equalButton);
        this.body = make("div", {class: "mcdm-pad-body", hidden: ""});
        this.note = make("div", {class: "mcdm-pad-note", role: "status"});
        this.print = smallPrint(mix);
        this.foot = this.print.element;
        this.text = textField(mix);
        const attributes = {class: "mcdm-pad widget-expands", role: "group", "data-widget": name};
        this.element = make("div", attributes, this.head, this.body, this.foot, this.text.element, this.note);
        this.equalButton.addEventListener("click", () => {
            mix.clear();
            mix.commit();
        });
        shareWithCanvas(this.element);
        for (const type of ["pointerenter", "focusin"])
            this.element.addEventListener(type, () => mix.refresh());
        mix.onChange = () => this.#draw();
    }

    #draw() {
        const {mix} = this;
        const {experts, linked, error} = mix;
        this.#notes = notes(mix);
        if (mix.wiring !== this.#wiring) {
            this.#wiring = mix.wiring;
            this.#control = controlFor(mix);
            this.body.replaceChildren(...(this.#control?.elements ?? []));
        }
        this.body.hidden = experts.length < 2 || linked;
        this.body.inert = !mix.editable;
        this.head.hidden = !experts.length || linked || (experts.length === 1 && !error);
        this.foot.hidden = this.body.hidden || Boolean(error);
        this.title.textContent = error ? say`The text does not fit` : TERMS[mix.meaning].title();
        this.element.setAttribute("aria-label", TERMS[mix.meaning].group());
        this.equalButton.disabled = !mix.text.trim();
        this.text.element.hidden = linked;
        this.text.show();
        this.note.hidden = !this.#notes.length;
        this.note.replaceChildren(...this.#notes.map(note => {
            return make("div", note === error ? {class: "mcdm-pad-wrong"} : {}, note);
        }));
        if (!this.body.hidden) this.#control.show();
        if (!this.foot.hidden) this.print.show();
        this.#room.fit();
    }

    /** Height in pixels of what there is to show, on the classic canvas, which asks before it draws. */
    height() {
        const width = this.node.size[0] - BESIDE_NOTES;
        const lines = Math.min(MAX_LINES, sum(this.#notes.map(note => lineCount(note, width))));
        const parts = [];
        if (!this.head.hidden) parts.push(HEAD);
        if (!this.body.hidden) parts.push(this.#control.height);
        if (!this.foot.hidden) parts.push(FOOT);
        if (!this.text.element.hidden) parts.push(TEXT);
        if (lines) parts.push(LINE * lines + 2);
        return 2 * MARGIN + FRAME + sum(parts) + GAP * Math.max(0, parts.length - 1);
    }

    mount() {
        mount(this.node, this.element, `.mcdm-pad[data-widget="${CSS.escape(this.element.dataset.widget)}"]`);
    }

    /** widget: whose value is the text. */
    take(widget) {
        this.mix.widget = widget;
    }

    refresh() {
        this.mix.refresh();
    }

    configured({size}) {
        this.refresh();
        this.#room.configured(size);
    }
}
