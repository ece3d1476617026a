/** An HTTP answer of the relay. */
export interface Answer {
  status?: number
  type: string
  body: string | Buffer
  headers?: Readonly<Record<string, string>>
}
