/** The exported XML is read back by an independent reader here, which knows PMML's predicates and nothing of ours. */
import { describe, expect, test } from 'vitest';
import { parseArtefact } from '#models/artefact.ts';
import {
  exampleContract,
  exampleForest,
  exampleNetwork,
  exampleRows,
  exampleScorecard,
} from '#models/export/example-models.ts';
import { exportPmml } from '#models/export/pmml.ts';
import { binOf } from '#models/preprocessing/bins.ts';

interface Xml {
  name: string;
  attributes: Record<string, string>;
  children: Xml[];
  text: string;
}

/** Elements, attributes and texts; throws where the tags do not match. */
function parseXml(source: string): Xml {
  const unescape = (text: string) =>
    text
      .replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&quot;', '"')
      .replaceAll('&amp;', '&');
  const root: Xml = { name: '', attributes: {}, children: [], text: '' };
  const open = [root];
  for (const [, closing, name, attributes, empty, text] of source.matchAll(
    /<(?:\?[^>]*\?|(\/?)([A-Za-z]+)((?:\s+[a-zA-Z]+="[^"<]*")*)(\/?))>|([^<]+)/g,
  )) {
    const at = open.at(-1)!;
    if (text !== undefined) at.text += unescape(text);
    else if (closing === '/') {
      if (at.name !== name) throw new Error(`</${name}> closes <${at.name}>`);
      open.pop();
    } else if (name !== undefined) {
      const pairs = [...attributes!.matchAll(/([a-zA-Z]+)="([^"]*)"/g)];
      const child = {
        name,
        attributes: Object.fromEntries(pairs.map(([, key, value]) => [key, unescape(value!)])),
        children: [],
        text: '',
      };
      at.children.push(child);
      if (empty !== '/') open.push(child);
    }
  }
  if (open.length !== 1) throw new Error('not closed');
  return root.children[0]!;
}

const find = (xml: Xml, name: string): Xml[] => [
  ...(xml.name === name ? [xml] : []),
  ...xml.children.flatMap((child) => find(child, name)),
];

type Cell = number | string | undefined;

function holds({ name, attributes, children }: Xml, cells: Record<string, Cell>): boolean {
  if (name === 'False') return false;
  const cell = cells[attributes['field'] ?? ''];
  if (name === 'CompoundPredicate') {
    const results = children.map((child) => holds(child, cells));
    return attributes['booleanOperator'] === 'or' ? results.some(Boolean) : results.every(Boolean);
  }
  if (name === 'SimpleSetPredicate') {
    const list = [...children[0]!.text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, item]) =>
      item!.replaceAll(/\\(.)/g, '$1'),
    );
    expect(children[0]!.attributes['n']).toBe(String(list.length));
    if (cell === undefined) return false;
    return list.includes(cell as string) === (attributes['booleanOperator'] === 'isIn');
  }
  const value = Number(attributes['value']);
  switch (attributes['operator']) {
    case 'isMissing':
      return cell === undefined;
    case 'isNotMissing':
      return cell !== undefined;
    case 'greaterThan':
      return typeof cell === 'number' && cell > value;
    case 'lessOrEqual':
      return typeof cell === 'number' && cell <= value;
    case 'equal':
      return cell === value;
    case 'notEqual':
      return cell !== undefined && cell !== value;
    default:
      throw new Error(`${name} ${attributes['operator']}`);
  }
}

/** Initial score plus the partial score of the first attribute that holds of each characteristic. */
function pmmlScore(pmml: Xml, cells: Record<string, Cell>): number {
  const [scorecard] = find(pmml, 'Scorecard');
  return find(pmml, 'Characteristic').reduce((sum, characteristic) => {
    const matching = characteristic.children.filter((attribute) => holds(attribute.children[0]!, cells));
    expect(matching).toHaveLength(1); // attributes of a characteristic exclude each other and leave nothing out
    return sum + Number(matching[0]!.attributes['partialScore']);
  }, Number(scorecard!.attributes['initialScore']));
}

function cellsOf(row: Float64Array): Record<string, Cell> {
  return Object.fromEntries(
    exampleContract.features.map((feature, j) => {
      const value = row[j]!;
      if (feature.type === 'number') return [feature.name, Number.isNaN(value) ? undefined : value];
      return [feature.name, value === 0 ? undefined : (feature.categories[value - 1] ?? 'something else')];
    }),
  );
}

describe('a scorecard exported as PMML', () => {
  test.each([
    ['identity', { method: 'identity' }, 1, 0],
    ['platt', { method: 'platt', slope: 1.5, intercept: -0.25 }, 1.5, -0.25],
  ] as const)(
    'gives every applicant the score of the artefact, calibrated by %s',
    (_name, map, slope, shift) => {
      const artefact = exampleScorecard(map);
      if (artefact.kind !== 'scorecard') throw new Error('not a scorecard');
      const { intercept, characteristics } = artefact.parameters;
      const pmml = parseXml(exportPmml(artefact));
      const scores = exampleRows(300).map((row) => {
        const logit = characteristics.reduce((sum, { feature, groups, woe, coefficient }) => {
          return (
            sum + coefficient * woe[groups[binOf(artefact.transform.features[feature]!, row[feature]!)]!]!
          );
        }, intercept);
        const score = 305.58656426348887 - 86.5617024533378 * (slope * logit + shift);
        expect(pmmlScore(pmml, cellsOf(row))).toBeCloseTo(score, 8);
        return score.toFixed(6);
      });
      expect(new Set(scores).size).toBeGreaterThan(20);
    },
  );

  test('names the fields it uses, with the vocabulary, and their reason codes', () => {
    const pmml = parseXml(exportPmml(exampleScorecard()));
    expect(pmml).toMatchObject({
      name: 'PMML',
      attributes: { version: '4.4', xmlns: 'http://www.dmg.org/PMML-4_4' },
    });
    const fields = find(pmml, 'DataField');
    expect(fields.map((f) => f.attributes['name'])).toEqual([
      'turnover',
      'sector',
      'arrears',
      'owner',
      'score',
    ]);
    expect(fields[1]!.children.map((v) => v.attributes['value'])).toEqual([
      'trade',
      'food & drink',
      'transport',
      'IT',
    ]);
    expect(find(pmml, 'DataDictionary')[0]!.attributes['numberOfFields']).toBe('5');
    expect(find(pmml, 'Characteristic').map((c) => c.attributes['reasonCode'])).toEqual([
      'turnover',
      'sector',
      'arrears',
      'owner',
    ]);
    expect(find(pmml, 'Scorecard')[0]!.attributes).toMatchObject({
      useReasonCodes: 'true',
      reasonCodeAlgorithm: 'pointsBelow',
    });
  });

  test('takes as baseline score of a characteristic the points of the baseline applicant', () => {
    const artefact = exampleScorecard();
    const pmml = parseXml(exportPmml(artefact));
    const cells = { turnover: 12_000, sector: 'trade', months: 60, arrears: 0, owner: 'one' };
    for (const characteristic of find(pmml, 'Characteristic')) {
      const own = characteristic.children.find((attribute) => holds(attribute.children[0]!, cells))!;
      expect(characteristic.attributes['baselineScore']).toBe(own.attributes['partialScore']);
    }
  });

  test('survives names and categories that mean something in XML', () => {
    const artefact = exampleScorecard();
    if (artefact.kind !== 'scorecard') throw new Error('not a scorecard');
    const features = artefact.contract.features.map((feature, j) =>
      j === 1 && feature.type === 'category'
        ? { ...feature, name: 'a "b" <c>&\n', categories: ['x"y\\', '<&>', "it's", 'z'] }
        : feature,
    );
    const odd = parseArtefact({
      ...artefact,
      contract: { ...artefact.contract, features },
      baseline: { row: [12_000, '<&>', 60, 0, 'one'] },
    });
    const pmml = parseXml(exportPmml(odd));
    expect(find(pmml, 'DataField')[1]!.attributes['name']).toBe('a "b" <c>&\n');
    const score = (sector: string) =>
      pmmlScore(pmml, { turnover: 5, 'a "b" <c>&\n': sector, arrears: 5, owner: 'one' });
    const original = parseXml(exportPmml(artefact));
    const expected = (sector: string) =>
      pmmlScore(original, { turnover: 5, sector, arrears: 5, owner: 'one' });
    expect(score('x"y\\')).toBe(expected('trade'));
    expect(score('<&>')).toBe(expected('food & drink'));
    expect(score("it's")).toBe(expected('transport'));
    expect(score('nowhere')).toBe(expected('nowhere'));
  });

  test('is refused with names that XML cannot hold, and the message does not repeat them', () => {
    const artefact = exampleScorecard();
    for (const change of [{ name: 'sec\u0002tor' }, { categories: ['a\u0001', 'b', 'c', 'd'] }]) {
      const features = artefact.contract.features.map((feature, j) =>
        j === 1 ? { ...feature, ...change } : feature,
      );
      const contract = { ...artefact.contract, features };
      const odd = parseArtefact({ ...artefact, contract, baseline: { row: [12_000, null, 60, 0, 'one'] } });
      expect(() => exportPmml(odd)).toThrow(/"sec.?tor" has a control character/);
      expect(() => exportPmml(odd)).not.toThrow(/\p{Cc}/u);
    }
  });

  test('is refused where points do not add up, and for other kinds of model', () => {
    const usage = expect.objectContaining({ code: 'USAGE' });
    const card = exampleScorecard();
    const map = { method: 'isotonic' as const, logits: [-3, 0], values: [-2, 0] };
    const isotonic = parseArtefact({ ...card, calibration: { ...card.calibration, map } });
    expect(() => exportPmml(isotonic)).toThrow(usage);
    expect(() => exportPmml(exampleForest())).toThrow(usage);
    expect(() => exportPmml(exampleNetwork())).toThrow(/got a network/);
    expect(() => exportPmml(exampleNetwork([]))).toThrow(/got a logistic regression/);
  });
});
