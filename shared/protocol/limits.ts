/** Everything has a limit, with a unit and a reason. */
export const LIMITS = {
  /** Banks of a consortium, and of a plain run; masked ones take `SESSION_BANKS_MAX` (secure-sum/thresholds.ts). */
  participantsMax: 1024,
  /** 2^26 words: 256 MiB in the u32 ring, six times the largest network we measure. */
  vectorWordsMax: 67_108_864,
  /** A body in bytes: the largest vector, or a model artefact in JSON. */
  bodyBytesMax: 536_870_912,
  /** Unit of hashing, upload and resume. */
  chunkBytes: 1_048_576,
  /** A body that travels with the message that names it: a request of its own would cost more than its bytes do. */
  bodyWithMessageBytesMax: 65_536,
  /** An entry must fit the uint16 length prefix of C2SP entry bundles. */
  entryBytesMax: 65_535,
  /** A socket packet: a message and perhaps its body, or a page of entries and small sums. */
  socketBytesMax: 1_048_576,
  /** A JSON request body over HTTP. */
  requestBytesMax: 262_144,
  /** The same from somebody without a token: an enrolment, or keys that change. */
  strangerRequestBytesMax: 16_384,
  /** All that a connection may send before somebody has vouched for it: an authentication has about 500 bytes. */
  strangerSocketBytesMax: 4096,
  /** Entries in one page of the ledger. */
  pageEntriesMax: 500,
  /** A whole page of entries must fit in one socket packet. */
  pageBytesMax: 786_432,
  /** Positions in one page of the feed: for hidden ones it holds about 43 bytes each. */
  pageLeavesMax: 2000,
  /** Sums one session has keys for: an advertise-keys must fit one entry. */
  sessionSlotsMax: 256,
  /** Rounds in one run: a stopping rule that never fires still ends. */
  roundsMax: 10_000,
  /** Bodies one bank may have uploaded without a message that claims them. */
  unclaimedBodiesPerBank: 4,
  /** Bodies one bank may upload at a time: each has a buffer in memory. An agent opens no more connections. */
  uploadsAtOncePerBank: 4,
  /** Difference between a bank's clock and the coordinator's when it authenticates, ms. */
  clockSkewMsMax: 300_000,
} as const;
