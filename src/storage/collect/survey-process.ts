// The process in which a survey runs: minutes of small reads on a large directory, which must take neither the event loop
// of the server nor its processors. It writes nothing.
import { giveWay, lowerPriority, makeRests } from '../low-priority.ts'
import { answerParent } from '../subprocess.ts'
import type { SurveyMessage, SurveyRequest } from './survey-result.ts'

answerParent<SurveyMessage>(async (data) => {
  const request = data as SurveyRequest
  const gentle = request.gentle === true
  // Before the rest of the program is loaded.
  if (gentle) giveWay()
  else lowerPriority()
  const { survey } = await import('./survey.ts')
  return survey(request, gentle ? makeRests() : undefined)
})
