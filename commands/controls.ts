import { z } from 'zod'

/** What Home Assistant may ask of the robot. Driving is none of them. */
export const CONTROLS = [
  'stop',
  'photo',
  'overlay',
  'quality',
  'detector',
  'privacy',
  'treat',
  'mode',
  'volume',
  'restart',
] as const
export type Control = (typeof CONTROLS)[number]

/** Those that neither feed a dog, nor move the robot, nor turn off what watches. */
const SAFE: readonly Control[] = ['stop', 'photo', 'overlay', 'quality']

/** `homeassistant.controls` */
export const Controls = z
  .array(z.enum(CONTROLS))
  .refine((controls) => new Set(controls).size === controls.length, 'a control is named twice')
  .default([...SAFE])

/** The part of section `homeassistant` that gives rights at the broker. */
export const ControlRights = z
  .looseObject({ enabled: z.boolean().default(false), controls: Controls })
  .prefault({})

/** The controls that the user of Home Assistant may use. */
export function grantedControls({ enabled, controls }: z.infer<typeof ControlRights>): readonly Control[] {
  return enabled ? controls : []
}
