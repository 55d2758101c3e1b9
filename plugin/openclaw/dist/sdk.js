/**
 * The part of OpenClaw's plugin SDK (2026.9.6) that this package uses, by its shape.
 *
 * The real types come with the whole of OpenClaw, some three hundred packages, and nothing here needs more than these.
 */
export {};
