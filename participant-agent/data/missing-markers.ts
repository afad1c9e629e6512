/** Texts that people and programs write where a value is missing. A contract lists those its files use. */

/** Never a value: what R, pandas, SQL, SAS and spreadsheets write. */
const ALWAYS = /^(n\/?a|n\.a\.?|#n\/?a|#na|<na>|null|#null!|\(null\)|nan|-nan|\?+|\\n|missing|\.)$/i;

/** In a column of numbers, or of outcomes, also what may be a category elsewhere. */
const AMONG_NUMBERS =
  /^(none|nil|unknown|unk|not (available|known|applicable|reported)|undefined|no data|-+|–|—|x+|tbd|k\.? ?a\.?|keine angaben?|unbekannt|fehlt|未知|不详|不明|缺失|空|暂无|无数据|無資料)$/i;

/** A division by nothing, or a number too large to write. */
const NO_FINITE_NUMBER = /^([+-]?(inf(inity)?|∞)|#(div\/0|num|value|ref|name)[!?]?)$/i;

export function isMissingMarker(text: string): boolean {
  return ALWAYS.test(text);
}

export function isMissingAmongNumbers(text: string): boolean {
  return ALWAYS.test(text) || AMONG_NUMBERS.test(text) || NO_FINITE_NUMBER.test(text);
}

export function isMissingOutcome(text: string): boolean {
  return ALWAYS.test(text) || AMONG_NUMBERS.test(text);
}
