import { describe, expect, it } from 'vitest';
import { alignColumns, clip, displayWidth, wrapText } from '#participant-agent/data/text-columns.ts';

describe('text for terminals', () => {
  it('counts East Asian wide characters as two cells and combining marks as none', () => {
    expect(['abc', '企业', 'ＡＢ', 'e\u0301', '한글', '😀', '𠮷'].map(displayWidth)).toEqual([
      3, 4, 4, 1, 4, 2, 2,
    ]);
  });

  it('never exceeds the width it is given', () => {
    expect(clip('企业名称', 8)).toBe('企业名称');
    expect(clip('企业名称', 7)).toBe('企业名…');
    expect(clip('企业名称', 6)).toBe('企业…');
    expect(wrapText('one two three', 7)).toEqual(['one two', 'three']);
    for (const line of wrapText('占比 超过 百分之二十 outside the 约定范围内的单元格', 12))
      expect(displayWidth(line)).toBeLessThanOrEqual(12);
  });

  it('aligns columns by cells, not by characters', () => {
    const columns = [
      { title: 'name', align: 'left', widthMax: 10 },
      { title: 'n', align: 'right', widthMax: 5 },
    ] as const;
    expect(
      alignColumns(columns, [
        ['名称', '1'],
        ['abcdef', '22'],
      ]),
    ).toEqual(['name     n', '名称     1', 'abcdef  22']);
  });
});
