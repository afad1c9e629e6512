/** Generators of everything a coordinator may be sent: nonsense, and messages that are almost right. */
import fc from 'fast-check';

/** Names that mean something to JavaScript. */
const PROTOTYPE_KEYS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'valueOf',
  'hasOwnProperty',
  'toJSON',
  'then',
];

/** Text that JSON.parse turns into nesting of this depth. */
function nested(depth: number, brackets: '[]' | '{}'): unknown {
  let value: unknown = 0;
  for (let i = 0; i < depth; i++) value = brackets === '[]' ? [value] : { a: value };
  return value;
}

const strange = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    -0,
    -1,
    0.5,
    1e308,
    2 ** 53,
    -(2 ** 31),
    '',
    ' ',
    '\u0000',
    '\ud800',
    '﷽',
  ),
  fc.constantFrom(...PROTOTYPE_KEYS),
  fc.integer(),
  fc.double({ noDefaultInfinity: true, noNaN: true }),
  fc.string({ maxLength: 80 }),
  fc.integer({ min: 1, max: 60_000 }).map((length) => 'x'.repeat(length)),
  fc.integer({ min: 1, max: 3000 }).map((depth) => nested(depth, '[]')),
  fc.integer({ min: 1, max: 3000 }).map((depth) => nested(depth, '{}')),
  fc.integer({ min: 0, max: 5000 }).map((length) => Array.from({ length }, (_, i) => i)),
  fc.constantFrom(...PROTOTYPE_KEYS).map((key) => JSON.parse(`{"${key}":{"polluted":true}}`) as unknown),
);

const key = fc.oneof(
  fc.constantFrom(...PROTOTYPE_KEYS),
  fc.string({ maxLength: 10 }),
  fc.constantFrom('type', 'payload', 'sig', 'from', 'run', 'ctx'),
);

/** Any JSON, with strange things in it. */
export const anyJson: fc.Arbitrary<unknown> = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small' },
    { arbitrary: strange, weight: 3 },
    { arbitrary: fc.array(tie('json'), { maxLength: 4 }), weight: 1 },
    { arbitrary: fc.array(fc.tuple(key, tie('json')), { maxLength: 5 }).map(objectOf), weight: 2 },
  ),
})).json;

interface Mutation {
  readonly kind: 'replace' | 'delete' | 'add' | 'flip' | 'swap' | 'wrap' | 'repeat' | 'transplant' | 'raise';
  readonly at: number;
  readonly to: number;
  readonly key: string;
  readonly value: unknown;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom('replace', 'delete', 'add', 'flip', 'swap', 'wrap', 'repeat', 'transplant', 'raise'),
  at: fc.nat(),
  to: fc.nat(),
  key,
  value: strange,
});

/** One of the messages with one to three things changed. */
export function almost(messages: readonly unknown[]): fc.Arbitrary<unknown> {
  return fc
    .tuple(fc.nat(), fc.nat(), fc.array(mutation, { minLength: 1, maxLength: 3 }))
    .map(([which, donor, mutations]) => {
      const message = structuredClone(messages[which % messages.length]);
      const other = messages[donor % messages.length];
      return mutations.reduce<unknown>((value, change) => mutate(value, change, other), message);
    });
}

interface Place {
  readonly holder: Record<string, unknown>;
  readonly name: string;
}

/** Every place in a value where something is. */
function placesIn(value: unknown, found: Place[] = []): Place[] {
  if (typeof value !== 'object' || value === null || found.length > 200) return found;
  const holder = value as Record<string, unknown>;
  for (const name of Object.keys(holder)) {
    found.push({ holder, name });
    placesIn(holder[name], found);
  }
  return found;
}

function mutate(
  value: unknown,
  { kind, at, to, key: name, value: strangeValue }: Mutation,
  other: unknown,
): unknown {
  const places = placesIn(value);
  if (places.length === 0) return strangeValue;
  const here = places[at % places.length]!;
  const there = places[to % places.length]!;
  const current = here.holder[here.name];
  switch (kind) {
    case 'replace':
      put(here, strangeValue);
      break;
    case 'delete':
      delete here.holder[here.name];
      break;
    case 'add':
      put({ holder: here.holder, name }, strangeValue);
      break;
    case 'flip':
      put(here, flipped(current, to));
      break;
    case 'swap': {
      const kept = there.holder[there.name];
      if (!isWithin(current, there.holder) && !isWithin(kept, here.holder)) {
        put(there, current);
        put(here, kept);
      }
      break;
    }
    case 'wrap':
      put(here, to % 2 === 0 ? [current] : { [name]: current });
      break;
    case 'repeat':
      return to % 2 === 0 ? [value, value] : { ...(value as object), payload: value };
    case 'transplant': {
      const donors = placesIn(other).filter((place) => place.name === here.name);
      if (donors.length > 0) put(here, structuredClone(donors[to % donors.length]!.holder[here.name]));
      break;
    }
    case 'raise':
      if (typeof current === 'object' && current !== null) Object.assign(here.holder, current);
  }
  return value;
}

/** As JSON.parse would: also `__proto__` becomes a property of its own. */
function put({ holder, name }: Place, value: unknown): void {
  Object.defineProperty(holder, name, { value, enumerable: true, configurable: true, writable: true });
}

function objectOf(entries: readonly (readonly [string, unknown])[]): object {
  const object = {};
  for (const [name, value] of entries) put({ holder: object, name }, value);
  return object;
}

function flipped(value: unknown, to: number): unknown {
  if (typeof value === 'number') return value ^ (1 << (to % 31));
  if (typeof value !== 'string' || value.length === 0) return to;
  const i = to % value.length;
  const bit = String.fromCharCode(value.charCodeAt(i) ^ (1 << (to % 6)));
  return value.slice(0, i) + bit + value.slice(i + 1);
}

function isWithin(outer: unknown, inner: unknown): boolean {
  return (
    outer === inner || placesIn(outer).some(({ holder, name }) => holder === inner || holder[name] === inner)
  );
}

/** Frames below socket.io's own events: packets of every type, cut, doubled and misnumbered. */
export const anyFrame: fc.Arbitrary<string> = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc
    .tuple(
      fc.constantFrom('0', '1', '2', '3', '4', '5', '6', '7', '9'),
      fc.constantFrom('', '/agents,', '/watch,', '/nowhere,', '/agents', ',', '51-', '99999999999-'),
      fc.constantFrom('', '0', '7', '99999999999999999999'),
      fc.oneof(
        anyJson.map((json) => JSON.stringify(json)),
        fc.constantFrom(
          '["submit"',
          '[]',
          '["submit",{"_placeholder":true,"num":0}]',
          '["error","x"]',
          '{"token":{"toString":1}}',
          '["disconnect"]',
          '[null]',
          '[1,2]',
          '"x"',
        ),
        fc.string({ maxLength: 40 }),
      ),
    )
    .map((parts) => parts.join('')),
);

export interface AnyRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'] as const;

/** Requests to these paths (and others), with words from `words` in their places. */
export function anyRequest(paths: readonly string[], words: readonly string[]): fc.Arbitrary<AnyRequest> {
  const word = fc.oneof(
    { arbitrary: fc.constantFrom(...words), weight: 4 },
    { arbitrary: fc.string({ maxLength: 20 }).map(encodeURIComponent), weight: 2 },
    {
      arbitrary: fc.constantFrom(
        '..',
        '%2e%2e',
        '%00',
        '%ZZ',
        '%2f',
        '*',
        '__proto__',
        'constructor',
        '-1',
        '1e9',
      ),
      weight: 2,
    },
  );
  const path = fc
    .tuple(fc.constantFrom(...paths), fc.array(word, { minLength: 3, maxLength: 3 }), fc.boolean())
    .map(([template, parts, withQuery]) => {
      let i = 0;
      const filled = template.replaceAll(/\{\w+\}/g, () => parts[i++ % parts.length]!);
      return withQuery && !filled.includes('?')
        ? `${filled}?${parts[0]}=${parts[1]}&from=${parts[2]}`
        : filled;
    });
  const header = fc.tuple(
    fc.constantFrom(
      'content-type',
      'upload-offset',
      'upload-length',
      'range',
      'if-none-match',
      'accept',
      'x-forwarded-for',
      'x-request-id',
      'content-encoding',
    ),
    fc.constantFrom(
      'application/json',
      'application/json; charset=utf-7',
      'text/plain',
      '0',
      '-1',
      '8',
      '999999999999',
      'bytes=0-',
      'bytes=9-1',
      'bytes=0-0,1-1',
      '*',
      'gzip',
      '::1',
      'x'.repeat(500),
    ),
  );
  return fc.record({
    method: fc.constantFrom(...METHODS),
    path,
    headers: fc.array(header, { maxLength: 3 }).map((pairs) => Object.fromEntries(pairs)),
    body: fc.option(
      fc.oneof(
        anyJson.map((json) => JSON.stringify(json)),
        fc.string({ maxLength: 200 }),
      ),
      { nil: undefined },
    ),
  });
}
