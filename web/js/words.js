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

/** {English: translation} in the page's language. */
function table() {
    return texts[app.ui.settings.getSettingValue("Comfy.Locale")]?.[KEY] ?? {};
}

function filled(sentence, values) {
    return sentence.replace(/\{(\d)\}/g, (_, i) => values[i]);
}

/** say`Pull of ${name}` is the translation of "Pull of {0}", with the name in it; English where there is none. */
export function say(parts, ...values) {
    const english = parts.reduce((text, part, i) => `${text}{${i - 1}}${part}`);
    return filled(table()[english] ?? english, values);
}

const patterns = new Map();                                             // table -> [[pattern, translation], ...]

/** The sentences of a table with gaps for values, those with most words of their own first. */
function patternsOf(own) {
    if (!patterns.has(own)) {
        const words = english => english.replace(/\{\d\}/g, "").length;
        const sentences = Object.keys(own).sort((a, b) => words(b) - words(a));
        patterns.set(own, sentences.map(english => {
            const literal = english.replace(/[.*+?^$()|[\]\\]/g, "\\$&");
            return [new RegExp(`^${literal.replace(/\{\d\}/g, "([^]*?)")}$`), own[english]];
        }));
    }
    return patterns.get(own);
}

/** What a node says in English, in the page's language, and what it quotes; as it is where no translation is known. */
export function translated(sentence) {
    const own = table();
    if (typeof sentence !== "string" || own === texts.en?.[KEY]) return sentence;
    for (const [pattern, translation] of patternsOf(own)) {
        const found = sentence.trim().match(pattern);
        if (found) return filled(translation, found.slice(1).map(translated));
    }
    return sentence;
}
