/** How wide text is on a terminal, and text cut and broken by that width. */

/** What `paint` puts around text: it takes no room. */
// eslint-disable-next-line no-control-regex
const COLOUR = /\u001b\[[0-9;]*m/gu;
/** Unicode's East Asian Wide and Fullwidth, and pictures. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{17000}-\u{18d08}\u{1b000}-\u{1b2fb}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
/** Accents are drawn over the character before them. */
const ABOVE_OTHERS = /[\p{Mn}\p{Me}]/u;

function columnsOf(character: string): number {
  if (ABOVE_OTHERS.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** Columns of a terminal; colours take none. */
export function textWidth(text: string): number {
  let columns = 0;
  for (const character of text.replace(COLOUR, '')) columns += columnsOf(character);
  return columns;
}

/** The beginning of a line that fits, colours whole. */
export function clip(line: string, columns: number): string {
  let shown = 0;
  let out = '';
  for (const [part] of line.matchAll(new RegExp(`${COLOUR.source}|.`, 'gsu'))) {
    if (part.startsWith('\u001b')) out += part;
    else if (shown + columnsOf(part) <= columns) {
      out += part;
      shown += columnsOf(part);
    } else shown = columns; // a narrow character after a wide one that did not fit is not the next
  }
  return out;
}

/** Text without colours in lines that fit, broken between words where there are any. */
export function breakLines(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/(?<= )/u)) {
    if (textWidth(line) + textWidth(word.trimEnd()) > columns && line !== '') {
      lines.push(line.trimEnd());
      line = '';
    }
    for (const character of word) {
      if (character !== ' ' && textWidth(line) + columnsOf(character) > columns) {
        lines.push(line);
        line = '';
      }
      line += character;
    }
  }
  return [...lines, line.trimEnd()];
}
