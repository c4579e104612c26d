/** The reliability pad: the widget of ReliabilityMixer's input `reliabilities`. */
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { addStylesheet } from "./dom.js";
import { chain } from "./host.js";
import { Mix } from "./pad/mix.js";
import { MARGIN, Pad } from "./pad/pad.js";
import { TextWidgets } from "./text_widget.js";

const pads = new TextWidgets({
    comfyClass: "ReliabilityMixer", input: "reliabilities", type: "mcdm_reliability_pad", plain: "text",
    beside: ["meaning"], margin: MARGIN, make: (home, mixer, path, name) => new Pad(new Mix(home, mixer, path), name),
});

app.registerExtension({
    name: "mcdm.reliability_pad",
    init() {
        addStylesheet("reliability_pad.css");
        // A name, a bypass, a weight, a wire further up.
        api.addEventListener("graphChanged", () => pads.refresh());
    },
    nodeCreated: node => pads.nodeCreated(node),
    setup() {
        // While a weight is dragged, the canvas is drawn and nothing else is told.
        chain(app.canvas, "onDrawForeground", () => pads.refresh());
    },
    afterConfigureGraph: () => pads.afterConfigureGraph(),
});
