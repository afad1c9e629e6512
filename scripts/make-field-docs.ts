/**
 * Writes docs/fields.md: every field of data contract, plan, policy.yaml and agent.yaml, from the schemas that read them.
 * A test holds the page against what this writes; run it with `npm run docs:fields`.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fieldsPage } from '#scripts/field-docs/fields-page.ts';

writeFileSync(fileURLToPath(new URL('../docs/fields.md', import.meta.url)), fieldsPage());
