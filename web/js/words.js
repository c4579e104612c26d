/**
 * What the pack's own page parts say, in the page's language. English is in the code and is the key of
 * locales/<language>/main.json.
 */
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

const KEY = "unite_and_conquer";
const texts = await api.getCustomNodesI18n?.().catch(() => {}) ?? {};

// Some frontends (that of ComfyUI 0.3.75 is one) drop the texts of all packs when they load a language's own, later
// than those: https://github.com/Comfy-Org/ComfyUI_frontend/pull/7214. Where that does not happen, nothing changes.
const page = document.getElementById("vue-app")?.__vue_app__;
const messages = page?._context.provides[page.__VUE_I18N_SYMBOL__]?.global;
if (messages?.mergeLocaleMessage) {
    const merge = language => texts[language] && messages.mergeLocaleMessage(language, texts[language]);
    const load = messages.setLocaleMessage;
    messages.setLocaleMessage = (language, own) => {
        load(language, own);
        merge(language);
    };
    messages.availableLocales.forEach(merge);
}

/** say`Pull of ${name}` is the translation of "Pull of {0}", with the name in it; English where there is none. */
export function say(parts, ...values) {
    const english = parts.reduce((text, part, i) => `${text}{${i - 1}}${part}`);
    const sentence = texts[app.ui.settings.getSettingValue("Comfy.Locale")]?.[KEY]?.[english] ?? english;
    return sentence.replace(/\{(\d)\}/g, (_, i) => values[i]);
}
