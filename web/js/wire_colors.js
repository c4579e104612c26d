/** The pack's two wires have colours of their own, in every palette. On the newer canvas wire_colors.css has them. */
import { app } from "../../../scripts/app.js";
import { addStylesheet } from "./dom.js";

const COLORS = {MCDM_EXPERT: "#2ec4b6", MCDM_MIXTURE: "#e8518f"};

app.registerExtension({
    name: "mcdm.wire_colors",
    setup() {
        addStylesheet("wire_colors.css");
        const tables = [globalThis.LGraphCanvas?.link_type_colors, app.canvas.default_connection_color_byType];
        for (const table of tables.filter(Boolean))
            for (const [type, color] of Object.entries(COLORS))
                // A palette that the user chooses empties the colours of all types that it does not know.
                Object.defineProperty(table, type, {enumerable: true, configurable: true, get: () => color, set() {}});
        app.canvas.setDirty(true, true);
    },
});
