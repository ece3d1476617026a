// so that `node doctor` finds it, in the image as well
import './main.ts'
