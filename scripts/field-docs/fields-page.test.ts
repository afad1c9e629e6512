import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fieldsPage } from '#scripts/field-docs/fields-page.ts';

test('docs/fields.md is what the schemas say, and says of every field what it is for', () => {
  const page = readFileSync(new URL('../../docs/fields.md', import.meta.url), 'utf8');
  expect(page, 'run npm run docs:fields').toBe(fieldsPage());
  expect(page.split('\n').filter((line) => /\|\s*\|$/.test(line) && !line.startsWith('| field'))).toEqual([]);
});
