/** A sheet that grows is shown as the finished one is: as the pictures of its node, of which the last stays. */
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

app.registerExtension({
    name: "mcdm.sheets",
    setup() {
        api.addEventListener("mcdm.sheet", ({detail}) => api.dispatchEvent(new CustomEvent("executed", {detail})));
    },
});
