/**
 * Aligned text for terminals. Width is counted in terminal cells: East Asian wide characters take two
 * (Unicode Annex 11, W and F), combining marks none. Control characters are shown as `·`, because names come
 * from files and must not move the cursor.
 */

export interface TextColumn {
  readonly title: string;
  readonly align: 'left' | 'right';
  /** In terminal cells; longer texts end in `…`. */
  readonly widthMax: number;
}

/** One line a row, a title line first, columns two blanks apart. */
export function alignColumns(columns: readonly TextColumn[], rows: readonly (readonly string[])[]): string[] {
  const lines = [columns.map((c) => c.title), ...rows].map((cells) =>
    columns.map((column, j) => clip(cells[j] ?? '', column.widthMax)),
  );
  const widths = columns.map((_, j) => Math.max(...lines.map((cells) => displayWidth(cells[j]!))));
  return lines.map((cells) =>
    cells
      .map((cell, j) => {
        const padding = ' '.repeat(widths[j]! - displayWidth(cell));
        return columns[j]!.align === 'left' ? cell + padding : padding + cell;
      })
      .join('  ')
      .trimEnd(),
  );
}

/** `text` broken at blanks (wide text anywhere) into lines of at most `widthMax` cells. */
export function wrapText(text: string, widthMax: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of printable(text).split(/ +|(?<=[\u3000-\u9fff])/u)) {
    const joint = line === '' || /[\u3000-\u9fff]$/u.test(line) ? '' : ' ';
    if (line !== '' && displayWidth(line + joint + word) > widthMax) {
      lines.push(line);
      line = word;
    } else line += joint + word;
  }
  lines.push(line);
  return lines;
}

/** Terminal cells that `text` takes. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (code >= 0x300 && /\p{M}|\p{Cf}/u.test(char)) continue;
    width += isWide(code) ? 2 : 1;
  }
  return width;
}

/** `text` in at most `widthMax` cells, ending in `…` when cut. */
export function clip(text: string, widthMax: number): string {
  const shown = printable(text);
  if (displayWidth(shown) <= widthMax) return shown;
  let kept = '';
  for (const char of shown) {
    if (displayWidth(kept + char) > widthMax - 1) break;
    kept += char;
  }
  return `${kept}…`;
}

function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, '·');
}

function isWide(code: number): boolean {
  return (
    (code >= 0x1100 && code <= 0x115f) || // Hangul Jamo
    (code >= 0x2e80 && code <= 0x303e) || // CJK radicals, punctuation
    (code >= 0x3041 && code <= 0x4dbf) || // kana, compatibility, extension A
    (code >= 0x4e00 && code <= 0xa4cf) || // unified ideographs, Yi
    (code >= 0xac00 && code <= 0xd7a3) || // Hangul syllables
    (code >= 0xf900 && code <= 0xfaff) || // compatibility ideographs
    (code >= 0xfe30 && code <= 0xfe6f) || // compatibility and small forms
    (code >= 0xff00 && code <= 0xff60) || // full-width forms
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x1f300 && code <= 0x1faff) || // pictographs
    (code >= 0x20000 && code <= 0x3fffd) // extensions B and later
  );
}
