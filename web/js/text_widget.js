/**
 * An editor as the widget of an ordinary text of a node: its value is the text, which is all that files and prompts
 * hold. Where that input is promoted, an editor stands on the subgraph's node as well.
 */
import { app } from "../../../scripts/app.js";
import { chain, keepIn, onPromoted, onValue, unlisted } from "./host.js";

let hasPanel = false;                                                   // of the widgets within a subgraph

export class TextWidgets {
    #homes = new Set();                                                 // nodes in a graph that may have editors
    #known = new WeakMap();                                             // widget -> {editor, source, path}

    /**
     * comfyClass, input: whose text. type: of the widget; plain: the page's own type of such a text.
     * beside: names of the node's other widgets that the editor shows. margin: what the page leaves around it.
     * make(home, source, path, name): an editor {element, take(widget), height(), refresh(), configured(info), mount()}
     * on a node for the text of one within; path: the subgraphs' nodes from there to it.
     */
    constructor({comfyClass, input, type, plain, beside = [], margin, hideOnZoom, make}) {
        Object.assign(this, {comfyClass, input, type, plain, beside, make, options: {margin, hideOnZoom}});
    }

    editors() {
        const widgets = [...this.#homes].flatMap(home => home.widgets ?? []);
        return widgets.map(widget => this.#known.get(widget)?.editor).filter(Boolean);
    }

    refresh() {
        for (const editor of this.editors()) editor.refresh();
    }

    /** text: {value, label}; the value is what the widget reads and sets. */
    #add(home, name, source, path, text) {
        const editor = this.make(home, source, path, name);
        const widget = home.addDOMWidget(name, this.type, editor.element, {
            ...this.options,
            getMinHeight: () => editor.height(),
            getValue: () => text.value,
            setValue: value => {
                text.value = value;
                editor.refresh();
            },
        });
        editor.take(widget);
        this.#known.set(widget, {editor, source, path});
        widget.label = text.label;
        // The panel draws what is within a subgraph by its type alone.
        const isWithin = () => hasPanel && home.graph !== app.canvas.graph;
        Object.defineProperty(widget, "type", {get: () => (isWithin() ? this.plain : this.type), set() {}});
        // The page would hide it where a wire brings the text, and show it on where it is no longer promoted.
        Object.defineProperty(widget, "connectionSuppressed", {get: () => false, set() {}});
        widget.isVisible = () => home.widgets.includes(widget) && home.isWidgetVisible(widget);
        widget.createCopyForNode = host => unlisted(host, () => this.#promoted(widget, host, {...text, name}));
        editor.refresh();
        return widget;
    }

    /** The editor of a subgraph's node, for one within. shown: {name, value, label}. */
    #promoted(widget, host, shown) {
        const {source, path} = this.#known.get(widget) ?? {};
        return source && this.#add(host, shown.name, source, [host, ...path], shown);
    }

    /** The editor takes the place of the text: saved values keep theirs. */
    #replace(node, text) {
        const {value, label, tooltip} = text;
        const widget = this.#add(node, this.input, node, [], {value, label}), {editor} = this.#known.get(widget);
        widget.tooltip = tooltip;
        chain(node, "onAdded", () => text.onRemove?.());                // where older pages list its element again
        text.onRemove?.();                                              // of texts of several lines, elements too
        text.element?.remove();
        node.widgets.splice(node.widgets.indexOf(text), 1, node.widgets.pop());
        for (const other of node.widgets.filter(({name}) => this.beside.includes(name)))
            onValue(other, () => editor.refresh());
        for (const event of ["onConnectionsChange", "onAdded"]) chain(node, event, () => editor.refresh());
        chain(node, "onConfigure", info => editor.configured(info));
        chain(node, "onResize", () => editor.resized?.());
    }

    nodeCreated(node) {
        const text = node.comfyClass === this.comfyClass && node.widgets?.find(({name}) => name === this.input);
        if (!text && !node.subgraph) return;
        keepIn(this.#homes, node);
        if (text) return this.#replace(node, text);
        hasPanel = onPromoted(node, (source, shown) => this.#promoted(source, node, shown));
    }

    afterConfigureGraph() {
        this.refresh();
        for (const editor of this.editors()) editor.mount();
    }
}
