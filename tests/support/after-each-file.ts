/** A setup file of vitest: it runs for each test file, also where files share a process and what they import. */
import { afterAll } from 'vitest';
import { closeOpened } from './opened.ts';

afterAll(closeOpened);
