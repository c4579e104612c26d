/** The editor on Expert Regions: who draws, tools, the canvas, a line on what is not as it should be, and the text. */
import { make } from "../dom.js";
import { mount } from "../host.js";
import { Room } from "../room.js";
import { shareWithCanvas } from "../pad/canvas.js";
import { isNameOfExpert } from "../experts.js";
import { say } from "../words.js";
import { Stage } from "./stage.js";
import { textArea } from "./text_area.js";
import { toolbar } from "./toolbar.js";

// Pixels, as expert_regions.css has them; MARGIN is what the host leaves around the element.
export const MARGIN = 8;
const FRAME = 16, CHIPS = 24, CHIP = 90, TOOLS = 26, TOOL = 24, FIELDS = 140, TEXT = 56, GAP = 5;
const LINE = 15, HIGHEST = 420, NARROWEST = 120;

export class Editor {
    #room;

    /** name: the widget's. */
    constructor(regions, name) {
        this.regions = regions;
        this.#room = new Room(regions.home);
        this.stage = new Stage(regions);
        this.bar = toolbar(regions, this.stage);
        this.note = make("div", {class: "mcdm-regions-note", role: "status"});
        this.text = textArea(regions);
        const attributes = {class: "mcdm-regions widget-expands", role: "group", "aria-label": say`Regions`,
            "data-widget": name};
        this.element = make("div", attributes,
            ...this.bar.elements, this.stage.element, this.note, this.text.element);
        shareWithCanvas(this.element);
        for (const type of ["pointerenter", "focusin"]) this.element.addEventListener(type, () => regions.refresh());
        regions.onChange = () => this.draw();
    }

    draw() {
        const {regions, note} = this, [text, isWrong] = this.#noted();
        this.bar.show();
        this.stage.show();
        this.stage.element.inert = !regions.editable;
        note.textContent = text;
        note.classList.toggle("mcdm-regions-wrong", isWrong);
        this.text.show();
        this.#room.fit();
    }

    /** [a sentence, whether it is an error] */
    #noted() {
        const {regions} = this, {layers, experts, error, node} = regions;
        if (!experts.length) return [say`Wire a mixture, and draw where each expert acts.`, false];
        if (error) return [error, true];
        const absent = [...new Set(layers.filter(({slot}) => !slot).map(({who}) => who))];
        const everywhere = node.graph.rootGraph ?? node.graph;
        const unknown = absent.filter(who => !isNameOfExpert(everywhere, who) && !/^\d+$/.test(who));
        if (unknown.length) return [say`No expert is called ${unknown.join(", ")}.`, true];
        if (absent.length) return [say`Passed over: ${absent.join(", ")}.`, false];
        if (!layers.length) return [say`Choose who draws, and drag.`, false];
        return [say`Click a shape to move or resize it; or Tab and arrow keys.`, false];
    }

    /** Height in pixels, on the classic canvas, which asks before it draws. */
    height() {
        const width = Math.max(NARROWEST, this.regions.home.size[0] - 2 * MARGIN - FRAME - 14);
        const rows = Math.max(1, Math.ceil(this.regions.experts.length / Math.max(1, Math.floor(width / CHIP))));
        const wide = TOOL * this.element.querySelectorAll(".mcdm-regions-tools button").length + FIELDS;
        const tools = TOOLS * Math.ceil(wide / width), stage = Math.min(HIGHEST, width / this.stage.aspect);
        const lines = Math.ceil(6 * this.note.textContent.length / width);
        return 2 * MARGIN + FRAME + rows * CHIPS + tools + stage + LINE * lines + TEXT + 4 * GAP;
    }

    /** widget: whose value is the text. */
    take(widget) {
        this.regions.widget = widget;
    }

    refresh() {
        this.regions.refresh();
    }

    mount() {
        const selector = `.mcdm-regions[data-widget="${CSS.escape(this.element.dataset.widget)}"]`;
        mount(this.regions.home, this.element, selector);
    }

    configured({size}) {
        this.refresh();
        this.#room.configured(size);
    }

    resized() {
        this.#room.fit();
    }
}
