/** Where an operator's command looks when nothing says where the coordinator is. */
export const DEFAULT_FOLDER = 'tallystick-coordinator';
