/**
 * A scorecard as PMML 4.4 (dmg.org/pmml/v4-4/Scorecard.html), for decision engines that read it. Partial scores are
 * the card's points with what rounding left of them, so they add up to the score before it is cut to its range,
 * calibration included. Reason codes are the names of the features, by points below the baseline's, and only for
 * what lies below. An isotonic calibration is no sum of points: a card with one is not exported. A derived feature
 * is a field like any other, computed by whoever asks: PMML's own functions pass over missing inputs where ours do not.
 */
import type { ModelArtefact } from '#models/artefact.ts';
import { binOf, type FeatureBins } from '#models/preprocessing/bins.ts';
import { rowOfBaseline } from '#models/scoring/row.ts';
import type { Feature } from '#shared/contract/contract.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { VERSION } from '#shared/protocol/version.ts';

/**
 * @throws FederationError USAGE when the model is not a scorecard, or one with an isotonic calibration, or with names
 *   that XML cannot hold
 */
export function exportPmml(artefact: ModelArtefact): string {
  if (artefact.kind !== 'scorecard')
    throw new FederationError(
      'USAGE',
      `expected a scorecard to export as PMML, got a ${modelName(artefact)}; use --to onnx`,
    );
  if (artefact.calibration.map.method === 'isotonic')
    throw new FederationError(
      'USAGE',
      'an isotonic calibration is no sum of points and cannot be exported as PMML; use --to onnx, or calibrate by platt',
    );
  const { contract, parameters, transform, baseline } = artefact;
  const against = rowOfBaseline(contract, baseline.row);
  const used = parameters.characteristics.map((c) => contract.features[c.feature]!);

  used.forEach(assertXmlNames);

  const characteristics = parameters.characteristics.map((characteristic) => {
    const { feature, groups } = characteristic;
    const bins = transform.features[feature]!;
    const own = contract.features[feature]!;
    const points = characteristic.points.map((whole, group) => whole + characteristic.residual[group]!);
    const baselinePoints = points[groups[binOf(bins, against[feature]!)]!]!;
    const attributes = points.map((partialScore, group) => {
      const members = groups.flatMap((g, bin) => (g === group ? [bin] : []));
      return element('Attribute', { partialScore: String(partialScore) }, [predicateOf(own, bins, members)]);
    });
    return element(
      'Characteristic',
      { name: `${own.name} points`, baselineScore: String(baselinePoints), reasonCode: own.name },
      attributes,
    );
  });

  const outputs = Array.from({ length: 4 }, (_, i) =>
    element('OutputField', {
      name: `reason${i + 1}`,
      feature: 'reasonCode',
      rank: String(i + 1),
      dataType: 'string',
      optype: 'categorical',
    }),
  );
  const scorecard = element(
    'Scorecard',
    {
      modelName: contract.name,
      functionName: 'regression',
      initialScore: '0',
      useReasonCodes: 'true',
      reasonCodeAlgorithm: 'pointsBelow',
      baselineMethod: 'other',
    },
    [
      element('MiningSchema', {}, [
        ...used.map((own) =>
          element('MiningField', { name: own.name, usageType: 'active', invalidValueTreatment: 'asIs' }),
        ),
        element('MiningField', { name: 'score', usageType: 'target' }),
      ]),
      element('Output', {}, [
        element('OutputField', {
          name: 'score',
          feature: 'predictedValue',
          dataType: 'double',
          optype: 'continuous',
        }),
        ...outputs,
      ]),
      element('Characteristics', {}, characteristics),
    ],
  );
  const dictionary = element('DataDictionary', { numberOfFields: String(used.length + 1) }, [
    ...used.map(dataField),
    element('DataField', { name: 'score', optype: 'continuous', dataType: 'double' }),
  ]);
  const header = element('Header', { description: contract.description ?? contract.name }, [
    element('Application', { name: 'tallystick', version: VERSION }),
  ]);
  const body = element('PMML', { version: '4.4', xmlns: 'http://www.dmg.org/PMML-4_4' }, [
    header,
    dictionary,
    scorecard,
  ]);
  return `<?xml version="1.0" encoding="UTF-8"?>\n${body}\n`;
}

/** What people call it: a network without hidden layers is a logistic regression. */
function modelName(artefact: Exclude<ModelArtefact, { kind: 'scorecard' }>): string {
  if (artefact.kind === 'gbdt') return 'gbdt';
  return artefact.parameters.network.hidden.length === 0 ? 'logistic regression' : 'network';
}

/** XML 1.0 has no place for most control characters, not even escaped; another name would match no column. */
const NOT_IN_XML = /(?![\t\n\r])\p{Cc}|[\ufffe\uffff]|\p{Cs}/u;

function assertXmlNames(feature: Feature): void {
  const texts = [feature.name, ...(feature.type === 'category' ? feature.categories : [])];
  if (!texts.some((text) => NOT_IN_XML.test(text))) return;
  const shown = feature.name.replaceAll(new RegExp(NOT_IN_XML, 'gu'), '·');
  throw new FederationError(
    'USAGE',
    `the name or a category of "${shown}" has a control character, which PMML cannot hold; use --to onnx, or train under a contract without it`,
  );
}

function dataField(feature: Feature): string {
  if (feature.type === 'number')
    return element('DataField', { name: feature.name, optype: 'continuous', dataType: 'double' });
  return element(
    'DataField',
    { name: feature.name, optype: 'categorical', dataType: 'string' },
    feature.categories.map((value) => element('Value', { value })),
  );
}

/** True where the cell falls into one of the bins. */
function predicateOf(feature: Feature, bins: FeatureBins, members: readonly number[]): string {
  const field = feature.name;
  const alternatives =
    feature.type === 'category'
      ? categoryAlternatives(field, feature.categories, members)
      : 'edges' in bins
        ? numberAlternatives(field, bins, members)
        : [];
  if (alternatives.length === 0) return element('False', {});
  return alternatives.length === 1
    ? alternatives[0]!
    : element('CompoundPredicate', { booleanOperator: 'or' }, alternatives);
}

function categoryAlternatives(
  field: string,
  categories: readonly string[],
  members: readonly number[],
): string[] {
  const listed = members.filter((bin) => bin < categories.length).map((bin) => categories[bin]!);
  const alternatives = listed.length > 0 ? [setPredicate(field, 'isIn', listed)] : [];
  if (members.includes(categories.length)) {
    alternatives.push(
      compound('and', [simple(field, 'isNotMissing'), setPredicate(field, 'isNotIn', categories)]),
    );
  }
  if (members.includes(categories.length + 1)) alternatives.push(simple(field, 'isMissing'));
  return alternatives;
}

/** Neighbouring bins are one interval; special values are taken out of the intervals they lie in. */
function numberAlternatives(
  field: string,
  { edges, special }: { readonly edges: readonly number[]; readonly special: readonly number[] },
  members: readonly number[],
): string[] {
  const isMember = new Set(members);
  const alternatives: string[] = [];
  for (let from = 0; from <= edges.length; from++) {
    if (!isMember.has(from)) continue;
    let to = from;
    while (isMember.has(to + 1) && to + 1 <= edges.length) to++;
    const conditions = [
      ...(from > 0 ? [simple(field, 'greaterThan', edges[from - 1])] : []),
      ...(to < edges.length ? [simple(field, 'lessOrEqual', edges[to])] : []),
      ...special.map((value) => simple(field, 'notEqual', value)),
    ];
    alternatives.push(conditions.length === 0 ? simple(field, 'isNotMissing') : compound('and', conditions));
    from = to;
  }
  special.forEach((value, i) => {
    if (isMember.has(edges.length + 1 + i)) alternatives.push(simple(field, 'equal', value));
  });
  if (isMember.has(edges.length + 1 + special.length)) alternatives.push(simple(field, 'isMissing'));
  return alternatives;
}

function simple(field: string, operator: string, value?: number): string {
  return element('SimplePredicate', {
    field,
    operator,
    ...(value === undefined ? {} : { value: String(value) }),
  });
}

function compound(booleanOperator: string, predicates: readonly string[]): string {
  return predicates.length === 1
    ? predicates[0]!
    : element('CompoundPredicate', { booleanOperator }, predicates);
}

function setPredicate(field: string, booleanOperator: string, values: readonly string[]): string {
  const array = values.map((value) => `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`).join(' ');
  const list = `<Array type="string" n="${values.length}">${escaped(array)}</Array>`;
  return element('SimpleSetPredicate', { field, booleanOperator }, [list]);
}

function element(
  name: string,
  attributes: Readonly<Record<string, string>>,
  children: readonly string[] = [],
): string {
  const head = [name, ...Object.entries(attributes).map(([key, value]) => `${key}="${escaped(value)}"`)].join(
    ' ',
  );
  if (children.length === 0) return `<${head}/>`;
  const inner = children.join('\n').replaceAll('\n', '\n  ');
  return `<${head}>\n  ${inner}\n</${name}>`;
}

/** Control characters of a description become U+FFFD; names with them are refused before. */
function escaped(text: string): string {
  return text
    .replaceAll(/(?![\t\n\r])\p{Cc}|[\ufffe\uffff]/gu, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\t', '&#9;')
    .replaceAll('\n', '&#10;')
    .replaceAll('\r', '&#13;');
}
