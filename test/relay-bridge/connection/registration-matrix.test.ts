import { testRegistration } from './registration-matrix.ts'

testRegistration((second) => [second])
