import { GAPS, testRegistration } from './registration-matrix.ts'

testRegistration(() => GAPS)
