/**
 * Builds one ONNX model: nodes in the order they are added, constants, inputs, outputs. Field numbers are those of
 * onnx.proto3 (github.com/onnx/onnx); IR version 8, operator sets ai.onnx 17 and ai.onnx.ml 3, which every runtime
 * since 2022 reads.
 */
import { ProtobufMessage } from '#models/export/protobuf.ts';
import { VERSION } from '#shared/protocol/version.ts';
import { bytesOf } from '#shared/ring/vector-root.ts';

const IR_VERSION = 8;
const OPERATOR_SETS = [
  { domain: '', version: 17 },
  { domain: 'ai.onnx.ml', version: 3 },
] as const;

/** TensorProto.DataType. */
const ELEMENT = { float: 1, int64: 7, bool: 9, double: 11 } as const;
type Element = keyof typeof ELEMENT;
/** AttributeProto.AttributeType. */
const ATTRIBUTE = { integer: 2, text: 3, tensor: 4, integers: 7, texts: 8 } as const;

export type Attribute =
  | { readonly integer: number }
  | { readonly text: string }
  | { readonly integers: readonly number[] }
  | { readonly texts: readonly string[] }
  /** One dimension, float64. */
  | { readonly doubles: readonly number[] };

export class OnnxGraph {
  private readonly nodes: ProtobufMessage[] = [];
  private readonly constants: ProtobufMessage[] = [];
  private readonly inputs: ProtobufMessage[] = [];
  private readonly outputs: ProtobufMessage[] = [];
  private count = 0;

  /** Declares an input of any number of rows. @returns its name */
  input(name: string, columns: number): string {
    this.inputs.push(valueInfo(name, 'double', columns));
    return name;
  }

  output(name: string, columns: number): void {
    this.outputs.push(valueInfo(name, 'double', columns));
  }

  /** A float64 constant, row-major. @returns its name */
  doubles(values: ArrayLike<number>, shape: readonly number[]): string {
    return this.constant('double', shape, bytesOf(Float64Array.from(values)));
  }

  /** A constant list of int64. @returns its name */
  integers(values: readonly number[]): string {
    return this.constant('int64', [values.length], bytesOf(BigInt64Array.from(values, BigInt)));
  }

  booleans(values: readonly boolean[]): string {
    return this.constant('bool', [values.length], Uint8Array.from(values, Number));
  }

  /**
   * Adds a node with one output.
   * @param output name of the result; made up when not given
   * @returns the name of the result
   */
  node(
    operator: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    { domain = '', output }: { domain?: string; output?: string } = {},
  ): string {
    const result = output ?? this.fresh(operator.toLowerCase());
    const node = new ProtobufMessage();
    for (const input of inputs) node.text(1, input);
    node.text(2, result).text(3, `${operator}_${result}`).text(4, operator);
    for (const [name, value] of Object.entries(attributes)) node.message(5, attribute(name, value));
    if (domain !== '') node.text(7, domain);
    this.nodes.push(node);
    return result;
  }

  cast(value: string, to: Element): string {
    return this.node('Cast', [value], { to: { integer: ELEMENT[to] } });
  }

  /** @param metadata travels with the model as texts by key */
  toBytes(name: string, description: string, metadata: Readonly<Record<string, string>>): Uint8Array {
    const graph = new ProtobufMessage();
    for (const node of this.nodes) graph.message(1, node);
    graph.text(2, name);
    for (const constant of this.constants) graph.message(5, constant);
    for (const input of this.inputs) graph.message(11, input);
    for (const output of this.outputs) graph.message(12, output);
    const model = new ProtobufMessage()
      .integer(1, IR_VERSION)
      .text(2, 'tallystick')
      .text(3, VERSION)
      .text(6, description)
      .message(7, graph);
    for (const { domain, version } of OPERATOR_SETS)
      model.message(8, new ProtobufMessage().text(1, domain).integer(2, version));
    for (const [key, value] of Object.entries(metadata))
      model.message(14, new ProtobufMessage().text(1, key).text(2, value));
    return model.toBytes();
  }

  private constant(element: Element, shape: readonly number[], bytes: Uint8Array): string {
    const name = this.fresh('constant');
    this.constants.push(tensor(name, element, shape, bytes));
    return name;
  }

  private fresh(stem: string): string {
    return `${stem}${this.count++}`;
  }
}

function tensor(
  name: string,
  element: Element,
  shape: readonly number[],
  bytes: Uint8Array,
): ProtobufMessage {
  return new ProtobufMessage().integers(1, shape).integer(2, ELEMENT[element]).text(8, name).bytes(9, bytes);
}

function valueInfo(name: string, element: Element, columns: number): ProtobufMessage {
  const shape = new ProtobufMessage()
    .message(1, new ProtobufMessage().text(2, 'rows'))
    .message(1, new ProtobufMessage().integer(1, columns));
  const type = new ProtobufMessage().integer(1, ELEMENT[element]).message(2, shape);
  return new ProtobufMessage().text(1, name).message(2, new ProtobufMessage().message(1, type));
}

function attribute(name: string, value: Attribute): ProtobufMessage {
  const message = new ProtobufMessage().text(1, name);
  if ('integer' in value) return message.integer(3, value.integer).integer(20, ATTRIBUTE.integer);
  if ('text' in value) return message.text(4, value.text).integer(20, ATTRIBUTE.text);
  if ('integers' in value) return message.integers(8, value.integers).integer(20, ATTRIBUTE.integers);
  if ('texts' in value) {
    for (const text of value.texts) message.text(9, text);
    return message.integer(20, ATTRIBUTE.texts);
  }
  const { doubles } = value;
  return message
    .message(5, tensor(name, 'double', [doubles.length], bytesOf(Float64Array.from(doubles))))
    .integer(20, ATTRIBUTE.tensor);
}
