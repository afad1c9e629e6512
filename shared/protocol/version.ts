/** The product's version, as agents and coordinators tell each other and as artefacts record. */
export const VERSION = '0.1.0';
