/** Tables of fields: types, limits and defaults by the schemas, and what each is for in words. */
import { z } from 'zod';
import { agentConfig } from '#participant-agent/config.ts';
import { policy } from '#participant-agent/policy/policy.ts';
import { FIELD_WORDS } from '#scripts/field-docs/field-words.ts';
import { dataContract } from '#shared/contract/contract.ts';
import { planFields } from '#shared/protocol/plan.ts';

const FILES = {
  contract: { title: 'Data contract', schema: dataContract },
  plan: { title: 'Plan', schema: planFields },
  policy: { title: '`policy.yaml`', schema: policy },
  agent: { title: '`agent.yaml`', schema: agentConfig },
} as const;

interface JsonSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly prefixItems?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly additionalProperties?: JsonSchema | boolean;
}

export interface FieldRow {
  readonly path: string;
  readonly value: string;
  readonly rule: string;
}

export function fieldsPage(): string {
  const parts = Object.entries(FILES).map(([name, { title, schema }]) => {
    const words = FIELD_WORDS[name as keyof typeof FILES];
    const rows = fieldsOf(schema).map(
      ({ path, value, rule }) => `| \`${path}\` | ${value} | ${rule} | ${words[path] ?? ''} |`,
    );
    return `## ${title}\n\n| field | value | | is |\n|---|---|---|---|\n${rows.join('\n')}`;
  });
  return `# Fields of files\n\nMade from the schemas by \`npm run docs:fields\`. \`[]\` is each of a list. A field that is not here is refused by its name.\n\n${parts.join('\n\n')}\n`;
}

/** Each field once, in the order of the schema; those of several kinds of feature together. */
export function fieldsOf(schema: z.ZodType): FieldRow[] {
  const rows = new Map<string, FieldRow>();
  walk(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema, '', true, rows);
  return [...rows.values()];
}

/** @param isRequired undefined: one of several forms of what it is in */
function walk(
  schema: JsonSchema,
  path: string,
  isRequired: boolean | undefined,
  rows: Map<string, FieldRow>,
): void {
  const forms = [schema, ...(schema.anyOf ?? schema.oneOf ?? [])];
  const items = forms.flatMap((form) => (form.items === undefined ? [] : [form.items]));
  const each = items.flatMap((item) => [item, ...(item.anyOf ?? item.oneOf ?? [])]);
  if (path !== '') {
    const value = hasFields(forms) ? 'object' : hasFields(each) ? 'list' : describe(schema);
    const before = rows.get(path)?.value;
    const both = before === undefined || before === value ? value : `${before} or ${value}`;
    rows.set(path, { path, value: both, rule: ruleOf(schema, isRequired === true) });
  }
  for (const [below, kinds] of [
    [path === '' ? '' : `${path}.`, forms],
    [`${path}[].`, each],
  ] as const)
    for (const { properties = {}, required = [] } of kinds)
      for (const [name, field] of Object.entries(properties)) {
        const isOneOf = kinds === forms && forms.length > 1;
        walk(field, `${below}${name}`, isOneOf ? undefined : required.includes(name), rows);
      }
}

function hasFields(schemas: readonly JsonSchema[]): boolean {
  return schemas.some(({ properties }) => properties !== undefined);
}

function describe(schema: JsonSchema): string {
  const { anyOf, oneOf, items, additionalProperties } = schema;
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(', ');
  const options = anyOf ?? oneOf;
  if (options !== undefined) return [...new Set(options.map(describe))].join(' or ');
  switch (schema.type) {
    case 'string':
      return `text${range(schema.minLength === 1 ? undefined : schema.minLength, schema.maxLength, ' characters')}`;
    case 'integer':
      return `whole number${range(schema.minimum, schema.maximum)}`;
    case 'number':
      return `number${range(schema.minimum ?? schema.exclusiveMinimum, schema.maximum)}`;
    case 'boolean':
      return 'true or false';
    case 'array':
      return schema.prefixItems === undefined
        ? `list of ${items === undefined ? 'anything' : describe(items)}${range(schema.minItems, schema.maxItems)}`
        : `list of ${schema.prefixItems.length}: ${schema.prefixItems.map(describe).join(', ')}`;
    case 'object':
      return typeof additionalProperties === 'object'
        ? `by name: ${describe(additionalProperties)}`
        : 'object';
    default:
      return 'any JSON';
  }
}

const UNBOUNDED = Number.MAX_SAFE_INTEGER;

function range(low: number | undefined, high: number | undefined, unit = ''): string {
  const [from, to] = [low, high].map((x) => (x === undefined || Math.abs(x) >= UNBOUNDED ? undefined : x));
  if (to === undefined) return from === undefined || from <= 0 ? '' : `, ${from} or more`;
  return from === undefined ? `, up to ${to}${unit}` : `, ${from} – ${to}${unit}`;
}

function ruleOf(schema: JsonSchema, isRequired: boolean): string {
  if (schema.default !== undefined && typeof schema.default !== 'object')
    return `default \`${String(schema.default)}\``;
  return isRequired ? '*needed*' : '';
}
