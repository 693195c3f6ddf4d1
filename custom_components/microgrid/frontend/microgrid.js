var e={title:`Microgrid`,description:`The whole swarm at a glance: one page for all, one for each cluster, devices and health`,solar:`Solar`,homes:`Consumption`,storage:`Batteries`,frequency:`Frequency`,charging:`charging`,discharging:`discharging`,resting:`idle`,exporting:`feeds in`,importing:`draws`,closed:`Connected`,open:`Separated`,contactorUnknown:`Contactor unknown`,offline:`Offline`,fault:`Fault`,noReading:`No readings yet`,onTheBus:`Other devices`,houses:`Houses`,otherHouses:`Houses without gateway`,chargeOf:`charge {0}`,sunOf:`solar {0}`,housesOnline:`{0} of {1} online`,mapLabel:`Map of {0}`,totalsLabel:`{0} in total`,devices:`Devices`,health:`Health`,last24Hours:`Last 24 hours`,power:`Power`,stateOfCharge:`State of charge`,temperatures:`Temperatures`,problems:`Active problems`,noProblems:`No active problems`,nodes:`Online`,faultHistory:`What happened in the last 24 hours`,emptyTitle:`No devices yet`,emptyText:`A microgrid device appears here by itself as soon as it reports to the MQTT broker of Home Assistant. Check that it is switched on and uses the same broker and the same swarm name as the integration.`,absentTitle:`Set up Microgrid`,absentText:`Add the integration Microgrid first; your houses, gateways and devices then appear on this page.`,openIntegration:`Open the integration`},t={en:e,de:{title:`Microgrid`,description:`Der ganze Schwarm auf einen Blick: eine Seite für alles, eine je Cluster, Geräte und Zustand`,solar:`Solar`,homes:`Verbrauch`,storage:`Batterien`,frequency:`Frequenz`,charging:`lädt`,discharging:`entlädt`,resting:`ruht`,exporting:`speist ein`,importing:`bezieht`,closed:`Verbunden`,open:`Getrennt`,contactorUnknown:`Schütz unbekannt`,offline:`Offline`,fault:`Störung`,noReading:`Noch keine Werte`,onTheBus:`Weitere Geräte`,houses:`Häuser`,otherHouses:`Häuser ohne Gateway`,chargeOf:`Ladung {0}`,sunOf:`Solar {0}`,housesOnline:`{0} von {1} online`,mapLabel:`Karte von {0}`,totalsLabel:`{0} insgesamt`,devices:`Geräte`,health:`Zustand`,last24Hours:`Letzte 24 Stunden`,power:`Leistung`,stateOfCharge:`Ladezustand`,temperatures:`Temperaturen`,problems:`Aktive Störungen`,noProblems:`Keine aktiven Störungen`,nodes:`Online`,faultHistory:`Was in den letzten 24 Stunden geschah`,emptyTitle:`Noch keine Geräte`,emptyText:`Ein Microgrid-Gerät erscheint hier von selbst, sobald es sich beim MQTT-Broker von Home Assistant meldet. Ist es eingeschaltet, und nutzt es denselben Broker und denselben Schwarmnamen wie die Integration?`,absentTitle:`Microgrid einrichten`,absentText:`Zuerst die Integration Microgrid hinzufügen; dann erscheinen Häuser, Gateways und Geräte auf dieser Seite.`,openIntegration:`Integration öffnen`},pl:{title:`Microgrid`,description:`Cały rój w jednym miejscu: strona wspólna, strona każdego klastra, urządzenia i stan`,solar:`Słońce`,homes:`Zużycie`,storage:`Baterie`,frequency:`Częstotliwość`,charging:`ładowanie`,discharging:`rozładowanie`,resting:`spoczynek`,exporting:`oddaje`,importing:`pobiera`,closed:`Połączony`,open:`Odłączony`,contactorUnknown:`Stan stycznika nieznany`,offline:`Offline`,fault:`Usterka`,noReading:`Brak odczytów`,onTheBus:`Inne urządzenia`,houses:`Domy`,otherHouses:`Domy bez bramki`,chargeOf:`naładowanie {0}`,sunOf:`słońce {0}`,housesOnline:`{0} z {1} online`,mapLabel:`Mapa: {0}`,totalsLabel:`{0} łącznie`,devices:`Urządzenia`,health:`Stan`,last24Hours:`Ostatnie 24 godziny`,power:`Moc`,stateOfCharge:`Stan naładowania`,temperatures:`Temperatury`,problems:`Aktywne usterki`,noProblems:`Brak aktywnych usterek`,nodes:`Online`,faultHistory:`Co zdarzyło się w ostatnich 24 godzinach`,emptyTitle:`Brak urządzeń`,emptyText:`Urządzenie Microgrid pojawi się tu samo, gdy tylko zgłosi się do brokera MQTT w Home Assistant. Sprawdź, czy jest włączone i czy używa tego samego brokera i tej samej nazwy roju co integracja.`,absentTitle:`Skonfiguruj Microgrid`,absentText:`Najpierw dodaj integrację Microgrid; domy, bramki i urządzenia pojawią się wtedy na tej stronie.`,openIntegration:`Otwórz integrację`}};function n(n){let r=t[n.split(`-`)[0]??``]??e;return(e,...t)=>r[e].replace(/\{(\d)\}/g,(e,n)=>String(t[Number(n)]??``))}var r=`microgrid`,i=[[`gateway`,[`houses_online`,`contactor_closed`,`cluster_frequency`,`swarm_frequency`]],[`heat_pump`,[`refrigerant`,`outlet_temperature`,`inlet_temperature`,`compressor_running`]],[`victron_gx`,[`system_state`,`consumption_power`,`grid_available`]],[`mpp_inverter`,[`ac_output_active_power`,`output_source_priority`,`output_load_percent`]],[`battery`,[`schedule_mode`,`schedule_active`]],[`house`,[`exchange_power`,`load_power`,`health`]]],a=[`inverter`,`mppt`,`battery`],o=new Intl.Collator(void 0,{numeric:!0,sensitivity:`base`}),s=(e,t)=>o.compare(e.name,t.name),c=e=>e.identifiers.find(([e])=>e===r)?.[1],l=e=>e.entities.filter(e=>!e.hidden);function u(e,t,n=``){let r=t.indexOf(`.`),i=t.slice(0,Math.max(r,0)),a=t.slice(r+1);return(i?e.parts.find(e=>e.component===i):e)?.entities.find(e=>!e.hidden&&e.translation_key===a&&e.entity_id.startsWith(n))?.entity_id}var d=e=>[e.node,...e.clusters.flatMap(e=>[e.gateway,...e.members]),...e.houses,...e.devices];function f(e){let t=new Map;for(let n of Object.values(e.entities))if(n.platform===r&&n.device_id){let e=t.get(n.device_id);e?e.push(n):t.set(n.device_id,[n])}let n=Object.values(e.devices).filter(e=>c(e)&&!e.disabled_by),o=new Map(n.map(e=>[e.id,e])),l=(e,n)=>({component:n,deviceId:e.id,name:e.name_by_user||e.name||c(e)||e.id,entities:t.get(e.id)??[]}),u=new Map;for(let e of n){let t=o.get(e.parent_device_id??``);if(!t)continue;let n=(c(e)??``).slice((c(t)??``).length+1);u.set(t.id,[...u.get(t.id)??[],l(e,n)])}let d=e=>{if(e.entry_type===`service`)return`site`;let n=new Set((t.get(e.id)??[]).map(e=>e.translation_key));return(u.get(e.id)??[]).some(e=>a.includes(e.component))?`house`:i.find(([,e])=>e.some(e=>n.has(e)))?.[0]??`other`},f=new Map;for(let e of n)e.parent_device_id||f.set(e.id,{...l(e,``),kind:d(e),parts:u.get(e.id)??[]});let p=[];for(let e of f.values()){if(e.kind!==`site`)continue;let t=o.get(e.deviceId)?.config_entry_id,n=[...f.values()].filter(n=>n!==e&&o.get(n.deviceId)?.config_entry_id===t).sort(s),r=e=>o.get(e.deviceId)?.via_device_id,i=n.filter(e=>e.kind===`gateway`).map(e=>({gateway:e,members:n.filter(t=>t.kind!==`gateway`&&r(t)===e.deviceId)})),a=new Set(i.flatMap(e=>e.members)),c=n.filter(e=>e.kind!==`gateway`&&!a.has(e));p.push({node:e,clusters:i,houses:c.filter(e=>e.kind===`house`),devices:c.filter(e=>e.kind!==`house`)})}return p.sort((e,t)=>s(e.node,t.node))}var p=24,m=5,h=[`exchange_power`,`load_power`,`mppt.solar_power`,`battery.power`,`inverter.frequency`,`inverter.voltage`,`battery.cell_voltage_spread`,`health`],g=[`contactor_closed`,`power_flow`,`cluster_frequency`,`swarm_frequency`,`cluster_load_power`,`cluster_solar_power`,`cluster_health`,`houses_online`],_={heat_pump:{icon:`mdi:heat-pump`,first:[`outlet_temperature`,`inlet_temperature`,`apparent_power`,`compressor_running`,`fan_running`,`defrost_active`],graphs:[[`temperatures`,[`outlet_temperature`,`inlet_temperature`,`ambient_temperature`]]]},mpp_inverter:{icon:`mdi:power-socket-de`,first:[`ac_output_active_power`,`solar_power`,`output_load_percent`,`mode`,`battery_voltage`,`grid_voltage`],graphs:[[`power`,[`ac_output_active_power`,`solar_power`]]]},battery:{icon:`mdi:battery`,first:[`power`,`schedule_mode`,`voltage`,`current`,`temperature`],graphs:[[`power`,[`power`]]]},victron_gx:{icon:`mdi:home-battery`,first:[`battery_power`,`solar_power`,`grid_power`,`consumption_power`,`system_state`],graphs:[[`power`,[`solar_power`,`consumption_power`,`grid_power`,`battery_power`]]]},house:{icon:`mdi:home`,first:h,graphs:[[`power`,[`exchange_power`,`load_power`]]]},gateway:{icon:`mdi:transmission-tower`,first:g,graphs:[[`power`,[`power_flow`]]]},site:{icon:`mdi:transmission-tower`,first:[],graphs:[]},other:{icon:`mdi:chip`,first:[],graphs:[]}},ee={sensors:`mdi:thermometer`,weather:`mdi:weather-partly-cloudy`},v={type:`entity`},y={type:`device`},b={type:`parent_device`},x=(e,t={})=>({type:`tile`,entity:e,name:v,...t}),S=(e,t,n=[])=>({type:`heading`,heading:e,...t?{icon:t}:{},badges:n.filter(Boolean).map(e=>({type:`entity`,entity:e,show_state:!0,show_icon:!0}))}),C=(e,t={})=>({type:`grid`,cards:e,...t}),w=(e,t)=>t.map(t=>u(e,t)).filter(e=>e!==void 0),te=new Set([`power`,`voltage`,`current`,`frequency`,`temperature`]);function ne(e,t){return t.flatMap(t=>{let[n,r]=t.split(`.`),i=u(e,t);return i?[x(i,n&&r&&te.has(r)?{name:[y,v]}:{})]:[]})}var T=(e,t=v)=>e?[x(e,{name:t,features:[{type:`bar-gauge`,min:0,max:100}],features_position:`inline`,grid_options:{columns:`full`}})]:[];function re(e,t,n,r={}){return!n.length||!e.hass.config.components.includes(`history`)?[]:[{...S(t),...r},{type:`history-graph`,hours_to_show:p,entities:n.map(e=>typeof e==`string`?{entity:e,name:v}:e),grid_options:{columns:`full`,rows:m}}]}var ie={power:`mdi:flash`,stateOfCharge:`mdi:battery-50`,frequency:`mdi:sine-wave`},ae=(e,t)=>t.map(([t,n])=>{let{translate:r}=e;return C(re(e,`${r(t)} · ${r(`last24Hours`)}`,n,{icon:ie[t]}))}),oe={heading_style:`subtitle`},se=(e,t)=>w(e,[t]).map(t=>({entity:t,name:e.name}));function E(e,t){let n=e=>{let n=t.indexOf(e.translation_key??``);return n<0?t.length:n};return l(e).filter(e=>!e.entity_category&&!e.entity_id.startsWith(`event.`)).filter(e=>e.translation_key!==`problem`).sort((e,t)=>n(e)-n(t))}var D=(e,t,n,r,i={})=>({type:`sections`,title:e,path:t,...n?{icon:n}:{},max_columns:3,dense_section_placement:!0,sections:r.filter(e=>e.cards.length>0),...i});function ce(e,t){let{translate:n}=e,r=t.length>1,i=t.flatMap(e=>w(e.node,[`active_faults`,`nodes_online`,`lowest_state_of_charge`]).map(e=>({type:`entity`,entity:e,name:r?[y,v]:v,show_name:!0}))),a=t.flatMap(t=>[C([...r?[S(t.node.name)]:[],{type:`custom:microgrid-swarm-card`,site:t.node.deviceId}],{column_span:3}),pe(e,t,void 0),...ae(e,[[`power`,w(t.node,[`solar_power`,`load_power`,`battery_power`])],[`stateOfCharge`,w(t.node,[`state_of_charge`,`lowest_state_of_charge`])],[`frequency`,w(t.node,[`frequency`])]])]);return D(n(`title`),`overview`,void 0,a,{badges:i})}function le(e,{gateway:t,members:n},r){let i=n.flatMap(e=>se(e,`battery.state_of_charge`));return D(t.name,r,void 0,[C([S(t.name,`mdi:transmission-tower`,w(t,[`problem`,`online`])),...T(u(t,`cluster_state_of_charge`)),...ne(t,g)]),...ae(e,[[`power`,w(t,[`power_flow`,`cluster_load_power`,`cluster_solar_power`])],[`stateOfCharge`,i],[`frequency`,w(t,[`cluster_frequency`,`swarm_frequency`])]]),...n.map(de)])}function ue(e,t,n){return D(e.translate(`houses`),n,void 0,t.map(de))}function de(e){let t=e.kind===`house`?[...T(u(e,`battery.state_of_charge`)),...ne(e,h)]:E(e,_[e.kind].first).map(e=>x(e.entity_id));return C([S(e.name,_[e.kind].icon,w(e,[`problem`,`online`])),...t])}function fe(e,t){let n=t.flatMap(t=>[...t.devices.map(t=>{let n=_[t.kind],r=u(t,`state_of_charge`);return C([S(t.name,n.icon,w(t,[`problem`,`online`])),...T(r),...E(t,n.first).filter(e=>e.entity_id!==r).map(e=>x(e.entity_id)),...t.parts.flatMap(e=>E(e,[]).map(e=>x(e.entity_id,{name:[y,v]}))),...n.graphs.flatMap(([n,r])=>re(e,e.translate(n),w(t,r),oe))])}),...t.node.parts.map(e=>C(E(e,[]).length?[S(e.name,ee[e.component]??_.other.icon),...E(e,[]).map(e=>x(e.entity_id))]:[]))]),r=D(e.translate(`devices`),`devices`,void 0,n);return r.sections.length?r:void 0}function pe({translate:e},t,n){let r=d(t).flatMap(e=>w(e,[`problem`])),i=r.map(e=>({condition:`state`,entity:e,state:`on`})),a={condition:`or`,conditions:i},o=r.length?[{...S(e(`problems`),`mdi:alert`),visibility:[a]},...r.map((e,t)=>({...x(e,{name:y,color:`red`,state_content:[`codes`,`last_changed`],grid_options:{columns:12}}),visibility:[i[t]]}))]:[],s=n?[{...n,visibility:[{condition:`not`,conditions:[a]}]}]:[];return C([...o,...s],n?{}:{column_span:3,visibility:[a]})}function me(e,t){let n=t&&e.states[t.entity_id];return n?e.formatEntityName(n,v):(t?.translation_key??``).replaceAll(`_`,` `)}function he(e,t){let n=new Map;for(let e of t)for(let t of[e,...e.parts])for(let r of l(t)){let i=r.translation_key??r.entity_id;r.entity_category===`diagnostic`&&i!==`online`&&n.set(i,[...n.get(i)??[],{node:e,part:t,entity:r}])}let r=new Map;for(let t of n.values()){let n=t.length===1,i=me(e,t[0]?.entity);for(let{node:e,part:a,entity:o}of t){let t=n?e.name:i,s=a===e,c=n?s?v:[y,v]:s?y:b;r.set(t,[...r.get(t)??[],x(o.entity_id,{name:c})])}}return[...r].map(([e,t])=>C([S(e,`mdi:stethoscope`),...t]))}var ge=new Set([`active_faults`,`nodes_online`]);function _e(e,t){let{hass:n,translate:r}=e,i=t.flatMap(t=>{let i=d(t),a=i.flatMap(e=>w(e,[`fault`,`activity`])),o=l(t.node).filter(e=>ge.has(e.translation_key??``)||e.entity_category===`diagnostic`);return[C([...pe(e,t,S(r(`noProblems`),`mdi:check-circle-outline`)).cards,S(t.node.name,`mdi:transmission-tower`),...o.map(e=>x(e.entity_id)),...a.length&&n.config.components.includes(`logbook`)?[S(r(`faultHistory`),`mdi:history`),{type:`logbook`,target:{entity_id:a},hours_to_show:p,grid_options:{columns:`full`,rows:m}}]:[]]),C([S(r(`nodes`),`mdi:lan-connect`,w(t.node,[`nodes_online`])),...i.flatMap(e=>w(e,[`online`]).map(e=>x(e,{name:y,color:`green`})))]),...he(n,i.slice(1))]});return D(r(`health`),`health`,void 0,i)}function ve({hass:e,translate:t},n){return{type:`sections`,title:t(`title`),path:`overview`,max_columns:1,sections:[C([{type:`empty-state`,icon:`mdi:transmission-tower`,title:t(n?`emptyTitle`:`absentTitle`),content:t(n?`emptyText`:`absentText`),buttons:[{text:t(`openIntegration`),icon:`mdi:cog`,tap_action:{action:`navigate`,navigation_path:`/config/integrations/${n||e.config.components.includes(`microgrid`)?`integration/microgrid`:`dashboard/add?domain=microgrid`}`}}]}])]}}function ye(e,t){let n=e.normalize(`NFKD`).replace(/\p{M}/gu,``).toLowerCase().replace(/[^a-z0-9]+/g,`-`).replace(/^-|-$/g,``)||`cluster`,r=n;for(let e=2;t.has(r);e++)r=`${n}-${e}`;return t.add(r),r}var be=e=>d(e).length>1||e.node.parts.length>0;function xe(e,t){let r={hass:t,translate:n(t.language)},i=e.site,a=f(t).filter(e=>i===void 0||e.node.deviceId===i),o=a.filter(be),s=o.length===1?o[0]?.node.name:r.translate(`title`);if(!o.length)return{title:s,views:[ve(r,a.length>0)]};let c=new Set([`overview`,`devices`,`health`]),l=o.flatMap(e=>e.clusters),u=o.flatMap(e=>e.houses),d=fe(r,o);return{title:s,views:[ce(r,o),...l.map(e=>le(r,e,ye(e.gateway.name,c))),...u.length?[ue(r,u,ye(r.translate(`houses`),c))]:[],...d?[d]:[],_e(r,o)]}}var Se=class extends HTMLElement{static registryDependencies=[`entities`,`devices`];static async generate(e,t){return xe(e,t)}static getCreateSuggestions(e){return{title:n(e.language)(`title`),icon:`mdi:transmission-tower`}}},O=globalThis,Ce=O.ShadowRoot&&(O.ShadyCSS===void 0||O.ShadyCSS.nativeShadow)&&`adoptedStyleSheets`in Document.prototype&&`replace`in CSSStyleSheet.prototype,we=Symbol(),Te=new WeakMap,Ee=class{constructor(e,t,n){if(this._$cssResult$=!0,n!==we)throw Error("CSSResult is not constructable. Use `unsafeCSS` or `css` instead.");this.cssText=e,this.t=t}get styleSheet(){let e=this.o,t=this.t;if(Ce&&e===void 0){let n=t!==void 0&&t.length===1;n&&(e=Te.get(t)),e===void 0&&((this.o=e=new CSSStyleSheet).replaceSync(this.cssText),n&&Te.set(t,e))}return e}toString(){return this.cssText}},De=e=>new Ee(typeof e==`string`?e:e+``,void 0,we),Oe=(e,...t)=>new Ee(e.length===1?e[0]:t.reduce((t,n,r)=>t+(e=>{if(!0===e._$cssResult$)return e.cssText;if(typeof e==`number`)return e;throw Error(`Value passed to 'css' function must be a 'css' function result: `+e+`. Use 'unsafeCSS' to pass non-literal values, but take care to ensure page security.`)})(n)+e[r+1],e[0]),e,we),ke=(e,t)=>{if(Ce)e.adoptedStyleSheets=t.map(e=>e instanceof CSSStyleSheet?e:e.styleSheet);else for(let n of t){let t=document.createElement(`style`),r=O.litNonce;r!==void 0&&t.setAttribute(`nonce`,r),t.textContent=n.cssText,e.appendChild(t)}},Ae=Ce?e=>e:e=>e instanceof CSSStyleSheet?(e=>{let t=``;for(let n of e.cssRules)t+=n.cssText;return De(t)})(e):e,{is:je,defineProperty:Me,getOwnPropertyDescriptor:Ne,getOwnPropertyNames:Pe,getOwnPropertySymbols:Fe,getPrototypeOf:Ie}=Object,k=globalThis,Le=k.trustedTypes,Re=Le?Le.emptyScript:``,ze=k.reactiveElementPolyfillSupport,A=(e,t)=>e,j={toAttribute(e,t){switch(t){case Boolean:e=e?Re:null;break;case Object:case Array:e=e==null?e:JSON.stringify(e)}return e},fromAttribute(e,t){let n=e;switch(t){case Boolean:n=e!==null;break;case Number:n=e===null?null:Number(e);break;case Object:case Array:try{n=JSON.parse(e)}catch{n=null}}return n}},Be=(e,t)=>!je(e,t),Ve={attribute:!0,type:String,converter:j,reflect:!1,useDefault:!1,hasChanged:Be};Symbol.metadata??=Symbol(`metadata`),k.litPropertyMetadata??=new WeakMap;var M=class extends HTMLElement{static addInitializer(e){this._$Ei(),(this.l??=[]).push(e)}static get observedAttributes(){return this.finalize(),this._$Eh&&[...this._$Eh.keys()]}static createProperty(e,t=Ve){if(t.state&&(t.attribute=!1),this._$Ei(),this.prototype.hasOwnProperty(e)&&((t=Object.create(t)).wrapped=!0),this.elementProperties.set(e,t),!t.noAccessor){let n=Symbol(),r=this.getPropertyDescriptor(e,n,t);r!==void 0&&Me(this.prototype,e,r)}}static getPropertyDescriptor(e,t,n){let{get:r,set:i}=Ne(this.prototype,e)??{get(){return this[t]},set(e){this[t]=e}};return{get:r,set(t){let a=r?.call(this);i?.call(this,t),this.requestUpdate(e,a,n)},configurable:!0,enumerable:!0}}static getPropertyOptions(e){return this.elementProperties.get(e)??Ve}static _$Ei(){if(this.hasOwnProperty(A(`elementProperties`)))return;let e=Ie(this);e.finalize(),e.l!==void 0&&(this.l=[...e.l]),this.elementProperties=new Map(e.elementProperties)}static finalize(){if(this.hasOwnProperty(A(`finalized`)))return;if(this.finalized=!0,this._$Ei(),this.hasOwnProperty(A(`properties`))){let e=this.properties,t=[...Pe(e),...Fe(e)];for(let n of t)this.createProperty(n,e[n])}let e=this[Symbol.metadata];if(e!==null){let t=litPropertyMetadata.get(e);if(t!==void 0)for(let[e,n]of t)this.elementProperties.set(e,n)}this._$Eh=new Map;for(let[e,t]of this.elementProperties){let n=this._$Eu(e,t);n!==void 0&&this._$Eh.set(n,e)}this.elementStyles=this.finalizeStyles(this.styles)}static finalizeStyles(e){let t=[];if(Array.isArray(e)){let n=new Set(e.flat(1/0).reverse());for(let e of n)t.unshift(Ae(e))}else e!==void 0&&t.push(Ae(e));return t}static _$Eu(e,t){let n=t.attribute;return!1===n?void 0:typeof n==`string`?n:typeof e==`string`?e.toLowerCase():void 0}constructor(){super(),this._$Ep=void 0,this.isUpdatePending=!1,this.hasUpdated=!1,this._$Em=null,this._$Ev()}_$Ev(){this._$ES=new Promise(e=>this.enableUpdating=e),this._$AL=new Map,this._$E_(),this.requestUpdate(),this.constructor.l?.forEach(e=>e(this))}addController(e){(this._$EO??=new Set).add(e),this.renderRoot!==void 0&&this.isConnected&&e.hostConnected?.()}removeController(e){this._$EO?.delete(e)}_$E_(){let e=new Map,t=this.constructor.elementProperties;for(let n of t.keys())this.hasOwnProperty(n)&&(e.set(n,this[n]),delete this[n]);e.size>0&&(this._$Ep=e)}createRenderRoot(){let e=this.shadowRoot??this.attachShadow(this.constructor.shadowRootOptions);return ke(e,this.constructor.elementStyles),e}connectedCallback(){this.renderRoot??=this.createRenderRoot(),this.enableUpdating(!0),this._$EO?.forEach(e=>e.hostConnected?.())}enableUpdating(e){}disconnectedCallback(){this._$EO?.forEach(e=>e.hostDisconnected?.())}attributeChangedCallback(e,t,n){this._$AK(e,n)}_$ET(e,t){let n=this.constructor.elementProperties.get(e),r=this.constructor._$Eu(e,n);if(r!==void 0&&!0===n.reflect){let i=(n.converter?.toAttribute===void 0?j:n.converter).toAttribute(t,n.type);this._$Em=e,i==null?this.removeAttribute(r):this.setAttribute(r,i),this._$Em=null}}_$AK(e,t){let n=this.constructor,r=n._$Eh.get(e);if(r!==void 0&&this._$Em!==r){let e=n.getPropertyOptions(r),i=typeof e.converter==`function`?{fromAttribute:e.converter}:e.converter?.fromAttribute===void 0?j:e.converter;this._$Em=r;let a=i.fromAttribute(t,e.type);this[r]=a??this._$Ej?.get(r)??a,this._$Em=null}}requestUpdate(e,t,n,r=!1,i){if(e!==void 0){let a=this.constructor;if(!1===r&&(i=this[e]),n??=a.getPropertyOptions(e),!((n.hasChanged??Be)(i,t)||n.useDefault&&n.reflect&&i===this._$Ej?.get(e)&&!this.hasAttribute(a._$Eu(e,n))))return;this.C(e,t,n)}!1===this.isUpdatePending&&(this._$ES=this._$EP())}C(e,t,{useDefault:n,reflect:r,wrapped:i},a){n&&!(this._$Ej??=new Map).has(e)&&(this._$Ej.set(e,a??t??this[e]),!0!==i||a!==void 0)||(this._$AL.has(e)||(this.hasUpdated||n||(t=void 0),this._$AL.set(e,t)),!0===r&&this._$Em!==e&&(this._$Eq??=new Set).add(e))}async _$EP(){this.isUpdatePending=!0;try{await this._$ES}catch(e){Promise.reject(e)}let e=this.scheduleUpdate();return e!=null&&await e,!this.isUpdatePending}scheduleUpdate(){return this.performUpdate()}performUpdate(){if(!this.isUpdatePending)return;if(!this.hasUpdated){if(this.renderRoot??=this.createRenderRoot(),this._$Ep){for(let[e,t]of this._$Ep)this[e]=t;this._$Ep=void 0}let e=this.constructor.elementProperties;if(e.size>0)for(let[t,n]of e){let{wrapped:e}=n,r=this[t];!0!==e||this._$AL.has(t)||r===void 0||this.C(t,void 0,n,r)}}let e=!1,t=this._$AL;try{e=this.shouldUpdate(t),e?(this.willUpdate(t),this._$EO?.forEach(e=>e.hostUpdate?.()),this.update(t)):this._$EM()}catch(t){throw e=!1,this._$EM(),t}e&&this._$AE(t)}willUpdate(e){}_$AE(e){this._$EO?.forEach(e=>e.hostUpdated?.()),this.hasUpdated||(this.hasUpdated=!0,this.firstUpdated(e)),this.updated(e)}_$EM(){this._$AL=new Map,this.isUpdatePending=!1}get updateComplete(){return this.getUpdateComplete()}getUpdateComplete(){return this._$ES}shouldUpdate(e){return!0}update(e){this._$Eq&&=this._$Eq.forEach(e=>this._$ET(e,this[e])),this._$EM()}updated(e){}firstUpdated(e){}};M.elementStyles=[],M.shadowRootOptions={mode:`open`},M[A(`elementProperties`)]=new Map,M[A(`finalized`)]=new Map,ze?.({ReactiveElement:M}),(k.reactiveElementVersions??=[]).push(`2.1.2`);var He=globalThis,Ue=e=>e,N=He.trustedTypes,We=N?N.createPolicy(`lit-html`,{createHTML:e=>e}):void 0,Ge=`$lit$`,P=`lit$${Math.random().toFixed(9).slice(2)}$`,Ke=`?`+P,qe=`<${Ke}>`,F=document,I=()=>F.createComment(``),L=e=>e===null||typeof e!=`object`&&typeof e!=`function`,Je=Array.isArray,Ye=e=>Je(e)||typeof e?.[Symbol.iterator]==`function`,Xe=`[ 	
\f\r]`,R=/<(?:(!--|\/[^a-zA-Z])|(\/?[a-zA-Z][^>\s]*)|(\/?$))/g,Ze=/-->/g,Qe=/>/g,z=RegExp(`>|${Xe}(?:([^\\s"'>=/]+)(${Xe}*=${Xe}*(?:[^ \t\n\f\r"'\`<>=]|("|')|))|$)`,`g`),$e=/'/g,et=/"/g,tt=/^(?:script|style|textarea|title)$/i,nt=e=>(t,...n)=>({_$litType$:e,strings:t,values:n}),B=nt(1),rt=nt(2),V=Symbol.for(`lit-noChange`),H=Symbol.for(`lit-nothing`),it=new WeakMap,U=F.createTreeWalker(F,129);function at(e,t){if(!Je(e)||!e.hasOwnProperty(`raw`))throw Error(`invalid template strings array`);return We===void 0?t:We.createHTML(t)}var ot=(e,t)=>{let n=e.length-1,r=[],i,a=t===2?`<svg>`:t===3?`<math>`:``,o=R;for(let t=0;t<n;t++){let n=e[t],s,c,l=-1,u=0;for(;u<n.length&&(o.lastIndex=u,c=o.exec(n),c!==null);)u=o.lastIndex,o===R?c[1]===`!--`?o=Ze:c[1]===void 0?c[2]===void 0?c[3]!==void 0&&(o=z):(tt.test(c[2])&&(i=RegExp(`</`+c[2],`g`)),o=z):o=Qe:o===z?c[0]===`>`?(o=i??R,l=-1):c[1]===void 0?l=-2:(l=o.lastIndex-c[2].length,s=c[1],o=c[3]===void 0?z:c[3]===`"`?et:$e):o===et||o===$e?o=z:o===Ze||o===Qe?o=R:(o=z,i=void 0);let d=o===z&&e[t+1].startsWith(`/>`)?` `:``;a+=o===R?n+qe:l>=0?(r.push(s),n.slice(0,l)+Ge+n.slice(l)+P+d):n+P+(l===-2?t:d)}return[at(e,a+(e[n]||`<?>`)+(t===2?`</svg>`:t===3?`</math>`:``)),r]},st=class e{constructor({strings:t,_$litType$:n},r){let i;this.parts=[];let a=0,o=0,s=t.length-1,c=this.parts,[l,u]=ot(t,n);if(this.el=e.createElement(l,r),U.currentNode=this.el.content,n===2||n===3){let e=this.el.content.firstChild;e.replaceWith(...e.childNodes)}for(;(i=U.nextNode())!==null&&c.length<s;){if(i.nodeType===1){if(i.hasAttributes())for(let e of i.getAttributeNames())if(e.endsWith(Ge)){let t=u[o++],n=i.getAttribute(e).split(P),r=/([.?@])?(.*)/.exec(t);c.push({type:1,index:a,name:r[2],strings:n,ctor:r[1]===`.`?ut:r[1]===`?`?dt:r[1]===`@`?ft:G}),i.removeAttribute(e)}else e.startsWith(P)&&(c.push({type:6,index:a}),i.removeAttribute(e));if(tt.test(i.tagName)){let e=i.textContent.split(P),t=e.length-1;if(t>0){i.textContent=N?N.emptyScript:``;for(let n=0;n<t;n++)i.append(e[n],I()),U.nextNode(),c.push({type:2,index:++a});i.append(e[t],I())}}}else if(i.nodeType===8){if(i.data===Ke)c.push({type:2,index:a});else{let e=-1;for(;(e=i.data.indexOf(P,e+1))!==-1;)c.push({type:7,index:a}),e+=P.length-1}}a++}}static createElement(e,t){let n=F.createElement(`template`);return n.innerHTML=e,n}};function W(e,t,n=e,r){if(t===V)return t;let i=r===void 0?n._$Cl:n._$Co?.[r],a=L(t)?void 0:t._$litDirective$;return i?.constructor!==a&&(i?._$AO?.(!1),a===void 0?i=void 0:(i=new a(e),i._$AT(e,n,r)),r===void 0?n._$Cl=i:(n._$Co??=[])[r]=i),i!==void 0&&(t=W(e,i._$AS(e,t.values),i,r)),t}var ct=class{constructor(e,t){this._$AV=[],this._$AN=void 0,this._$AD=e,this._$AM=t}get parentNode(){return this._$AM.parentNode}get _$AU(){return this._$AM._$AU}u(e){let{el:{content:t},parts:n}=this._$AD,r=(e?.creationScope??F).importNode(t,!0);U.currentNode=r;let i=U.nextNode(),a=0,o=0,s=n[0];for(;s!==void 0;){if(a===s.index){let t;s.type===2?t=new lt(i,i.nextSibling,this,e):s.type===1?t=new s.ctor(i,s.name,s.strings,this,e):s.type===6&&(t=new pt(i,this,e)),this._$AV.push(t),s=n[++o]}a!==s?.index&&(i=U.nextNode(),a++)}return U.currentNode=F,r}p(e){let t=0;for(let n of this._$AV)n!==void 0&&(n.strings===void 0?n._$AI(e[t]):(n._$AI(e,n,t),t+=n.strings.length-2)),t++}},lt=class e{get _$AU(){return this._$AM?._$AU??this._$Cv}constructor(e,t,n,r){this.type=2,this._$AH=H,this._$AN=void 0,this._$AA=e,this._$AB=t,this._$AM=n,this.options=r,this._$Cv=r?.isConnected??!0}get parentNode(){let e=this._$AA.parentNode,t=this._$AM;return t!==void 0&&e?.nodeType===11&&(e=t.parentNode),e}get startNode(){return this._$AA}get endNode(){return this._$AB}_$AI(e,t=this){e=W(this,e,t),L(e)?e===H||e==null||e===``?(this._$AH!==H&&this._$AR(),this._$AH=H):e!==this._$AH&&e!==V&&this._(e):e._$litType$===void 0?e.nodeType===void 0?Ye(e)?this.k(e):this._(e):this.T(e):this.$(e)}O(e){return this._$AA.parentNode.insertBefore(e,this._$AB)}T(e){this._$AH!==e&&(this._$AR(),this._$AH=this.O(e))}_(e){this._$AH!==H&&L(this._$AH)?this._$AA.nextSibling.data=e:this.T(F.createTextNode(e)),this._$AH=e}$(e){let{values:t,_$litType$:n}=e,r=typeof n==`number`?this._$AC(e):(n.el===void 0&&(n.el=st.createElement(at(n.h,n.h[0]),this.options)),n);if(this._$AH?._$AD===r)this._$AH.p(t);else{let e=new ct(r,this),n=e.u(this.options);e.p(t),this.T(n),this._$AH=e}}_$AC(e){let t=it.get(e.strings);return t===void 0&&it.set(e.strings,t=new st(e)),t}k(t){Je(this._$AH)||(this._$AH=[],this._$AR());let n=this._$AH,r,i=0;for(let a of t)i===n.length?n.push(r=new e(this.O(I()),this.O(I()),this,this.options)):r=n[i],r._$AI(a),i++;i<n.length&&(this._$AR(r&&r._$AB.nextSibling,i),n.length=i)}_$AR(e=this._$AA.nextSibling,t){for(this._$AP?.(!1,!0,t);e!==this._$AB;){let t=Ue(e).nextSibling;Ue(e).remove(),e=t}}setConnected(e){this._$AM===void 0&&(this._$Cv=e,this._$AP?.(e))}},G=class{get tagName(){return this.element.tagName}get _$AU(){return this._$AM._$AU}constructor(e,t,n,r,i){this.type=1,this._$AH=H,this._$AN=void 0,this.element=e,this.name=t,this._$AM=r,this.options=i,n.length>2||n[0]!==``||n[1]!==``?(this._$AH=Array(n.length-1).fill(new String),this.strings=n):this._$AH=H}_$AI(e,t=this,n,r){let i=this.strings,a=!1;if(i===void 0)e=W(this,e,t,0),a=!L(e)||e!==this._$AH&&e!==V,a&&(this._$AH=e);else{let r=e,o,s;for(e=i[0],o=0;o<i.length-1;o++)s=W(this,r[n+o],t,o),s===V&&(s=this._$AH[o]),a||=!L(s)||s!==this._$AH[o],s===H?e=H:e!==H&&(e+=(s??``)+i[o+1]),this._$AH[o]=s}a&&!r&&this.j(e)}j(e){e===H?this.element.removeAttribute(this.name):this.element.setAttribute(this.name,e??``)}},ut=class extends G{constructor(){super(...arguments),this.type=3}j(e){this.element[this.name]=e===H?void 0:e}},dt=class extends G{constructor(){super(...arguments),this.type=4}j(e){this.element.toggleAttribute(this.name,!!e&&e!==H)}},ft=class extends G{constructor(e,t,n,r,i){super(e,t,n,r,i),this.type=5}_$AI(e,t=this){if((e=W(this,e,t,0)??H)===V)return;let n=this._$AH,r=e===H&&n!==H||e.capture!==n.capture||e.once!==n.once||e.passive!==n.passive,i=e!==H&&(n===H||r);r&&this.element.removeEventListener(this.name,this,n),i&&this.element.addEventListener(this.name,this,e),this._$AH=e}handleEvent(e){typeof this._$AH==`function`?this._$AH.call(this.options?.host??this.element,e):this._$AH.handleEvent(e)}},pt=class{constructor(e,t,n){this.element=e,this.type=6,this._$AN=void 0,this._$AM=t,this.options=n}get _$AU(){return this._$AM._$AU}_$AI(e){W(this,e)}},mt=He.litHtmlPolyfillSupport;mt?.(st,lt),(He.litHtmlVersions??=[]).push(`3.3.3`);var ht=(e,t,n)=>{let r=n?.renderBefore??t,i=r._$litPart$;if(i===void 0){let e=n?.renderBefore??null;r._$litPart$=i=new lt(t.insertBefore(I(),e),e,void 0,n??{})}return i._$AI(e),i},gt=globalThis,K=class extends M{constructor(){super(...arguments),this.renderOptions={host:this},this._$Do=void 0}createRenderRoot(){let e=super.createRenderRoot();return this.renderOptions.renderBefore??=e.firstChild,e}update(e){let t=this.render();this.hasUpdated||(this.renderOptions.isConnected=this.isConnected),super.update(e),this._$Do=ht(t,this.renderRoot,this.renderOptions)}connectedCallback(){super.connectedCallback(),this._$Do?.setConnected(!0)}disconnectedCallback(){super.disconnectedCallback(),this._$Do?.setConnected(!1)}render(){return V}};K._$litElement$=!0,K.finalized=!0,gt.litElementHydrateSupport?.({LitElement:K});var _t=gt.litElementPolyfillSupport;_t?.({LitElement:K}),(gt.litElementVersions??=[]).push(`4.2.2`);var vt={house:{outline:`M3.5 18 20 4.5 36.5 18V34a2.5 2.5 0 0 1-2.5 2.5H6A2.5 2.5 0 0 1 3.5 34Z`,top:4.5,bottom:36.5},battery:{outline:`M9 8.5h5.5V5a1.5 1.5 0 0 1 1.5-1.5h8A1.5 1.5 0 0 1 25.5 5v3.5H31a2.5 2.5 0 0 1 2.5 2.5V34a2.5 2.5 0 0 1-2.5 2.5H9A2.5 2.5 0 0 1 6.5 34V11A2.5 2.5 0 0 1 9 8.5Z`,top:8.5,bottom:36.5}};function yt(e,t,n){let{outline:r,top:i,bottom:a}=vt[e],o=a-Math.min(Math.max((t??0)/100,0),1)*(a-i);return B`<svg class="vessel" viewBox="0 0 40 40" aria-hidden="true">
    <clipPath id=${e}><path d=${r} /></clipPath>
    <g clip-path=${`url(#${e})`}>
      <rect class="fill" x="0" y=${o} width="40" height=${40-o} />
    </g>
    <path class="outline" d=${r} />
    ${n?rt`<text x="20" y="30">${n}</text>`:H}
  </svg>`}function bt(e){return B`<svg class="contactor" viewBox="0 0 24 32" aria-hidden="true">
    <rect class="gap" x="6" y="5" width="18" height="22" />
    ${e===void 0?rt`<text x="12" y="20.5">?</text>`:rt`<path class="arm" d=${e?`M12 5V27`:`M12 27 21.5 8.5`} />`}
    <circle cx="12" cy="5" r="3.2" /><circle cx="12" cy="27" r="3.2" />
  </svg>`}var xt={mW:.001,W:1,kW:1e3,MW:1e6,VA:1,kVA:1e3},St=new Set([`unavailable`,`unknown`,``]);function Ct(e,t){return t===void 0?void 0:e.states[t]}function q(e,t){let n=Ct(e,t);return n&&!St.has(n.state)?n:void 0}function wt(e,t){let n=q(e,t),r=n?Number(n.state):NaN;return Number.isFinite(r)?r:void 0}function J(e,t){let n=wt(e,t),r=String(Ct(e,t)?.attributes.unit_of_measurement??`W`);return n===void 0?void 0:n*(xt[r]??1)}function Y(e,t){let n=q(e,t);return n&&e.formatEntityState(n)}function X(e,t){let n=q(e,t);return n&&n.state===`on`}function Tt(e,t,n){let r=Number(e.toFixed(t))||0;return new Intl.NumberFormat(n,{minimumFractionDigits:t,maximumFractionDigits:t}).format(r)}function Z(e,t){let n=Math.abs(e);return Math.round(n)<1e3?`${Tt(n,0,t)} W`:`${Tt(n/1e3,n<9995?2:1,t)} kW`}var Et={house:{icon:`mdi:home`,charge:`battery.state_of_charge`,flow:`exchange_power`,sun:`mppt.solar_power`,facts:[]},battery:{icon:`mdi:battery`,charge:`state_of_charge`,flow:`power`,facts:[`schedule_mode`]},victron_gx:{icon:`mdi:home-battery`,charge:`state_of_charge`,flow:`battery_power`,sun:`solar_power`,facts:[`consumption_power`]},mpp_inverter:{icon:`mdi:power-socket-de`,sun:`solar_power`,facts:[`ac_output_active_power`,`mode`,`output_load_percent`]},heat_pump:{icon:`mdi:heat-pump`,facts:[`outlet_temperature`,`apparent_power`,`inlet_temperature`]},gateway:{icon:`mdi:transmission-tower`,flow:`power_flow`,facts:[`cluster_frequency`]},site:{icon:`mdi:transmission-tower`,facts:[`solar_power`,`load_power`,`frequency`]},other:{icon:`mdi:chip`,facts:[]}},Dt={sensors:`mdi:thermometer`,weather:`mdi:weather-partly-cloudy`},Ot=50,kt=2,At=e=>e===void 0||Math.abs(e)<Ot?`none`:e>0?`out`:`in`;function jt(e,t,n){let r=At(e),i=t(r===`out`?`exporting`:r===`in`?`importing`:`resting`);return r===`none`?i:`${i} ${Z(Math.abs(e),n)}`}var Mt=e=>l(e).filter(e=>!e.entity_category&&!e.entity_id.startsWith(`event.`)).map(e=>e.entity_id),Q=e=>e.filter(e=>e!==void 0);function Nt(e){let t=Et[e.kind];return[...Q(Q([`online`,`problem`,t.charge,t.flow,t.sun,...t.facts]).map(t=>u(e,t))),...Mt(e)]}function Pt(e,t,n){let r=Et[t.kind],i=e=>e===void 0?void 0:u(t,e),a=i(r.charge),o=wt(e,a),s=J(e,i(r.flow)),c=J(e,i(r.sun)),l=c===void 0?void 0:Z(c,e.language),d=u(t,`problem`,`binary_sensor.`),f=X(e,d)===!0,p=Ct(e,d)?.attributes.codes,m=X(e,u(t,`online`,`binary_sensor.`))===!1,h=m?`offline`:f?`fault`:`fine`,g=Q(r.facts.map(e=>i(e))).filter(t=>q(e,t)),_=o===void 0&&s===void 0&&l===void 0,ee=g.length||!_?g:Mt(t).filter(t=>q(e,t)),v=c!==void 0&&c>=1,y=m?[]:Q(ee.slice(0,v?1:kt).map(t=>Y(e,t))),b=Y(e,a),x=[m?n(`offline`):void 0,f?`${n(`fault`)} ${Array.isArray(p)?p.join(`, `):``}`.trim():void 0,b&&n(`chargeOf`,b),s===void 0?void 0:jt(s,n,e.language),l&&n(`sunOf`,l),...y];return{condition:h,icon:r.icon,charge:o,chargeText:b,direction:m?`none`:At(s),flow_w:s,sun:v?l:void 0,facts:y,faultCodes:f&&Array.isArray(p)?p.map(String):[],target:(f?d:void 0)??a??ee[0]??i(r.flow)??Mt(t)[0],label:`${t.name}: ${Q(x).join(`, `)||n(`noReading`)}`}}var Ft=e=>({...e,kind:`other`,parts:[]}),It=e=>Dt[e.component]??Et[e.kind].icon,Lt=Oe`
  :host {
    display: block;
    container-type: inline-size;
    --line: color-mix(in srgb, var(--primary-text-color) 24%, var(--ground));
    --out: var(--energy-grid-return-color, #8353d1);
    --in: var(--energy-grid-consumption-color, #488fc2);
    --solar: var(--energy-solar-color, #ff9800);
    --charge: var(--energy-battery-out-color, #4db6ac);
    --fault: var(--error-color, #db4437);
    --low: var(--warning-color, #ffa600);
    --ground: var(--ha-card-background, var(--card-background-color, #fff));
    --bus: 4px;
    --trunk: 16px; /* x of the vertical line of a group */
  }
  ha-card {
    padding: 16px;
    box-sizing: border-box;
    height: 100%;
    font-size: var(--ha-font-size-m, 14px);
    line-height: 1.35;
    color: var(--primary-text-color);
  }
  .empty {
    margin: 0;
    color: var(--secondary-text-color);
  }
  button {
    all: unset;
    box-sizing: border-box;
    cursor: pointer;
    border-radius: 10px;
    -webkit-tap-highlight-color: transparent;
  }
  button:disabled {
    cursor: default;
  }
  button:focus-visible {
    outline: 2px solid var(--primary-color);
    outline-offset: 1px;
  }
  @media (hover: hover) {
    button:enabled:hover {
      background: color-mix(in srgb, var(--primary-text-color) 5%, transparent);
    }
  }

  /* ---- totals ---- */
  .totals {
    display: grid;
    grid-template-columns: repeat(4, 1fr);
    gap: 4px;
    max-width: 860px;
    margin: 0 auto;
  }
  .figure {
    display: grid;
    grid-template-columns: auto 1fr;
    grid-template-areas: "icon name" "icon value" "icon more";
    column-gap: 12px;
    align-items: center;
    justify-content: start;
    padding: 8px;
    min-width: 0;
  }
  .figure ha-icon {
    grid-area: icon;
    --mdc-icon-size: 22px;
    padding: 10px;
    border-radius: 50%;
    color: var(--tint);
    background: color-mix(in srgb, var(--tint) 16%, transparent);
    align-self: start;
  }
  .figure .name {
    grid-area: name;
    font-size: var(--ha-font-size-s, 12px);
    color: var(--secondary-text-color);
  }
  .figure .value {
    grid-area: value;
    font-size: 22px;
    line-height: 1.2;
    font-weight: 500;
    font-variant-numeric: tabular-nums;
    white-space: nowrap;
  }
  .figure .more {
    grid-area: more;
    min-height: 1.35em;
    font-size: var(--ha-font-size-s, 12px);
    color: var(--secondary-text-color);
  }
  .solar_power {
    --tint: var(--solar);
  }
  .load_power {
    --tint: var(--in);
  }
  .state_of_charge {
    --tint: var(--charge);
  }
  .frequency {
    --tint: var(--out);
  }

  /* ---- the bus: one line above each band of groups, joined by a rail at the left when there are several ---- */
  .bands {
    --rail: 0px;
    margin-top: 8px;
    padding-left: var(--rail);
  }
  .bands.several {
    --rail: 12px;
  }
  .band {
    position: relative;
    display: grid;
    grid-template-columns: repeat(var(--columns), minmax(0, 1fr));
    padding-bottom: 12px;
  }
  .band:last-child {
    padding-bottom: 0;
  }
  .several .band:not(:last-child)::before {
    content: "";
    position: absolute;
    left: calc(0px - var(--rail));
    top: 0;
    bottom: 0;
    width: var(--bus);
    background: var(--line);
  }
  .group {
    position: relative;
    min-width: 0;
  }
  .group::before {
    content: "";
    position: absolute;
    top: 0;
    height: var(--bus);
    background: var(--line);
    left: calc(var(--trunk) - 1px);
    right: calc(1px - var(--trunk));
  }
  .group:last-child::before {
    right: auto;
    width: 2px;
  }
  .several .group:first-child::before {
    left: calc(0px - var(--rail));
  }
  .several .group:first-child:last-child::before {
    width: calc(var(--rail) + var(--trunk) + 1px);
  }
  .legend {
    display: flex;
    justify-content: flex-end;
    gap: 16px;
    margin: 12px 0 0;
    font-size: var(--ha-font-size-s, 12px);
  }
  .legend .flow {
    color: var(--secondary-text-color);
  }

  /* ---- gateway and its contactor ---- */
  .head {
    box-sizing: border-box;
    position: relative;
    display: flex;
    width: 100%;
    min-height: 76px;
    padding: 10px 4px 4px 0;
    border-radius: 0 10px 10px 0;
  }
  .stacked .head.plain {
    min-height: 40px;
  }
  .tie {
    position: absolute;
    left: calc(var(--trunk) - 1px);
    top: 0;
    bottom: 0;
    width: 2px;
    background: var(--line);
  }
  .contactor {
    position: absolute;
    left: -11px;
    top: calc(50% - 14px);
    width: 24px;
    height: 32px;
    overflow: visible;
  }
  .contactor .gap {
    fill: var(--ground);
  }
  .contactor .arm {
    fill: none;
    stroke: var(--primary-text-color);
    stroke-width: 2.5;
    stroke-linecap: round;
  }
  .contactor circle {
    fill: var(--ground);
    stroke: var(--primary-text-color);
    stroke-width: 2;
  }
  .contactor text {
    fill: var(--secondary-text-color);
    font-size: 14px;
    font-weight: 600;
    text-anchor: middle;
  }
  .head .words {
    padding-left: 40px;
  }
  .head .name {
    font-weight: 600;
  }
  .head.open .state {
    font-weight: 500;
    color: var(--primary-text-color);
  }

  /* ---- what hangs in a group ---- */
  .rows {
    list-style: none;
    margin: 0;
    padding: 0;
  }
  li {
    position: relative;
    padding-left: var(--trunk);
  }
  li::before {
    content: "";
    position: absolute;
    left: calc(var(--trunk) - 1px);
    top: 0;
    bottom: 0;
    width: 2px;
    background: var(--line);
  }
  li:last-child::before {
    bottom: calc(50% - 1px);
  }
  .row {
    position: relative;
    display: flex;
    align-items: center;
    width: 100%;
    min-height: 52px;
    border-radius: 0 10px 10px 0;
  }
  .drop {
    flex: none;
    width: 24px;
    height: 2px;
    background: var(--line);
  }
  .glyph {
    flex: none;
    display: flex;
    position: relative;
    width: 40px;
    height: 40px;
  }
  .vessel {
    width: 40px;
    height: 40px;
    overflow: visible;
  }
  .vessel .fill {
    fill: color-mix(in srgb, var(--tint) 45%, transparent);
    transition:
      y 0.6s,
      height 0.6s;
  }
  .vessel .outline {
    fill: none;
    stroke: var(--tint);
    stroke-width: 1.8;
    stroke-linejoin: round;
  }
  .vessel text {
    fill: var(--primary-text-color);
    font-size: 11px;
    font-weight: 600;
    text-anchor: middle;
    font-variant-numeric: tabular-nums;
  }
  .row {
    --tint: var(--charge);
  }
  .row.low {
    --tint: var(--low);
  }
  .row.fault {
    --tint: var(--fault);
  }
  .row.offline {
    --tint: var(--disabled-text-color, #bdbdbd);
  }
  .row.offline .outline {
    stroke-dasharray: 3 3;
  }
  .row.offline .vessel text {
    display: none;
  }
  .row.offline .name,
  .head.offline .name {
    color: var(--secondary-text-color);
  }
  .icon {
    display: grid;
    place-items: center;
    width: 36px;
    height: 36px;
    margin: 2px;
    border-radius: 50%;
    color: var(--secondary-text-color);
    background: color-mix(in srgb, var(--primary-text-color) 7%, transparent);
    --mdc-icon-size: 20px;
  }
  .row.fault .icon {
    color: var(--fault);
    background: color-mix(in srgb, var(--fault) 14%, transparent);
  }
  .row .words {
    padding-left: 10px;
  }

  /* ---- words ---- */
  .words {
    display: flex;
    flex-direction: column;
    flex: 1;
    min-width: 0;
    padding-right: 4px;
  }
  .line {
    display: flex;
    align-items: center;
    gap: 8px;
    min-width: 0;
  }
  .line .name {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .detail {
    flex-wrap: wrap;
    gap: 0 8px;
    font-size: var(--ha-font-size-s, 12px);
    color: var(--secondary-text-color);
    font-variant-numeric: tabular-nums;
  }
  .detail > * {
    white-space: nowrap;
  }
  .flow {
    color: var(--primary-text-color);
  }
  .arrow {
    display: inline-block;
    width: 12px;
    font-size: 9px;
    vertical-align: 1px;
  }
  .flow.out .arrow {
    color: var(--out);
  }
  .flow.in .arrow {
    color: var(--in);
  }
  .flow.none {
    color: var(--secondary-text-color);
  }
  .flow.none .arrow {
    display: none;
  }
  .sun {
    display: inline-flex;
    align-items: center;
    gap: 3px;
    --mdc-icon-size: 13px;
  }
  .sun ha-icon {
    display: flex;
    color: var(--solar);
  }
  .fault-badge {
    flex: none;
    display: inline-flex;
    align-items: center;
    gap: 3px;
    padding: 1px 6px 1px 4px;
    border-radius: 9px;
    font-size: 11px;
    font-weight: 600;
    color: var(--fault);
    background: color-mix(in srgb, var(--fault) 14%, transparent);
    --mdc-icon-size: 13px;
  }

  /* ---- flow: dashes that move with the power; the arrows say the same without colour and movement ---- */
  .flow-out {
    --flow: var(--out);
  }
  .flow-in {
    --flow: var(--in);
  }
  .flow-out .drop,
  .flow-in .drop {
    background: repeating-linear-gradient(to right, var(--flow) 0 5px, transparent 5px 8px);
    background-size: 8px 100%;
  }
  .flow-out .tie,
  .flow-in .tie {
    background: repeating-linear-gradient(to bottom, var(--flow) 0 5px, transparent 5px 8px);
    background-size: 100% 8px;
  }
  .offline .drop {
    background: repeating-linear-gradient(to right, var(--line) 0 3px, transparent 3px 6px);
  }
  @media (prefers-reduced-motion: no-preference) {
    .flow-in .drop {
      animation: along 0.8s linear infinite;
    }
    .flow-out .drop {
      animation: along 0.8s linear infinite reverse;
    }
    .flow-in .tie {
      animation: down 0.8s linear infinite;
    }
    .flow-out .tie {
      animation: down 0.8s linear infinite reverse;
    }
  }
  @media (prefers-reduced-motion: reduce) {
    .vessel .fill {
      transition: none;
    }
  }
  @keyframes along {
    to {
      background-position-x: 8px;
    }
  }
  @keyframes down {
    to {
      background-position-y: 8px;
    }
  }

  @container (max-width: 600px) {
    .totals {
      grid-template-columns: repeat(2, 1fr);
    }
    .figure {
      padding: 6px 4px;
      column-gap: 10px;
    }
    .figure .value {
      font-size: 20px;
    }
  }
`,Rt=216,zt={out:`▲`,in:`▼`,none:``},Bt=20;function Vt(e,t){let n=Math.max(1,Math.floor(t/Rt));return e?Math.ceil(e/Math.ceil(e/n)):1}var Ht=class extends K{static styles=Lt;static properties={hass:{attribute:!1},_config:{state:!0},_width:{state:!0}};devices;entities;site;watched=[];observer;constructor(){super(),this._width=0}static getStubConfig(){return{}}setConfig(e){if(e.site!==void 0&&typeof e.site!=`string`)throw Error(`site: expected the id of the device of a microgrid site`);this._config=e,this.devices=void 0}getCardSize(){return 8}getGridOptions(){return{columns:`full`,rows:`auto`,min_columns:6}}connectedCallback(){super.connectedCallback(),this.observer=new ResizeObserver(([e])=>{e&&(this._width=e.contentRect.width)}),this.observer.observe(this)}disconnectedCallback(){super.disconnectedCallback(),this.observer?.disconnect()}shouldUpdate(e){if(!this.hass||!this._config)return!1;let t=e.get(`hass`);if(e.size>1||!t||this.read(this.hass))return!0;let n=this.hass;return t.language!==n.language||this.watched.some(e=>t.states[e]!==n.states[e])}read(e){if(e.devices===this.devices&&e.entities===this.entities)return!1;this.devices=e.devices,this.entities=e.entities;let t=f(e),n=this._config?.site;return this.site=n===void 0?t[0]:t.find(e=>e.node.deviceId===n),this.watched=this.site?[...d(this.site),...this.site.node.parts.map(Ft)].flatMap(Nt):[],!0}render(){let e=this.hass;if(!e)return H;this.read(e);let t=n(e.language),r=this.site;if(!r)return B`<ha-card><p class="empty">${t(`emptyTitle`)}</p></ha-card>`;let i=r.node.parts.filter(e=>e.entities.length).map(Ft),a=[...r.devices,...i],o=[...r.clusters.map(n=>this.renderCluster(e,n,t)),...r.houses.length?[this.renderGroup(e,t(`otherHouses`),r.houses,t)]:[],...a.length?[this.renderGroup(e,t(`onTheBus`),a,t)]:[]],s=Vt(o.length,this._width),c=Array.from({length:Math.ceil(o.length/s)},(e,t)=>o.slice(t*s,(t+1)*s));return B`<ha-card>
      <div class="diagram" role="group" aria-label=${t(`mapLabel`,r.node.name)}>
        ${this.renderTotals(e,r.node,t)}
        <div class="bands ${c.length>1?`several`:``} ${s===1?`stacked`:``}" style="--columns: ${s}">
          ${c.map(e=>B`<div class="band">${e}</div>`)}
        </div>
        <p class="legend" aria-hidden="true">
          <span class="flow out"><span class="arrow">${zt.out}</span>${t(`exporting`)}</span>
          <span class="flow in"><span class="arrow">${zt.in}</span>${t(`importing`)}</span>
        </p>
      </div>
    </ha-card>`}renderTotals(e,t,n){let r=J(e,u(t,`battery_power`)),i=Y(e,u(t,`state_of_charge`)),a=At(r),o=wt(e,u(t,`frequency`)),s=n=>{let r=J(e,u(t,n));return r===void 0?void 0:Z(r,e.language)},c=r===void 0?void 0:a===`none`?n(`resting`):`${n(a===`out`?`discharging`:`charging`)} ${Z(Math.abs(r),e.language)}`,l=o===void 0?void 0:Math.round((o-50)*1e3),d=l===void 0?void 0:`${l<0?`−`:`+`}${Tt(Math.abs(l),0,e.language)} mHz`,f=[[`solar_power`,`mdi:solar-power-variant`,n(`solar`),s(`solar_power`),void 0],[`load_power`,`mdi:home-lightning-bolt`,n(`homes`),s(`load_power`),void 0],[`state_of_charge`,`mdi:battery-charging-medium`,n(`storage`),i,c],[`frequency`,`mdi:sine-wave`,n(`frequency`),Y(e,u(t,`frequency`)),d]];return B`<div class="totals" role="group" aria-label=${n(`totalsLabel`,t.name)}>
      ${f.map(([e,r,i,a,o])=>B`<button
          class="figure ${e}"
          ?disabled=${!u(t,e)}
          aria-label="${i}: ${a??n(`noReading`)}${o?`, ${o}`:``}"
          @click=${()=>this.moreInfo(u(t,e))}
        >
          <ha-icon .icon=${r} aria-hidden="true"></ha-icon>
          <span class="name">${i}</span>
          <span class="value">${a??`–`}</span>
          <span class="more">${o??H}</span>
        </button>`)}
    </div>`}renderCluster(e,{gateway:t,members:n},r){let i=Pt(e,t,r),a=u(t,`contactor_closed`),o=i.condition===`offline`?void 0:X(e,a),s=r(o===void 0?`contactorUnknown`:o?`closed`:`open`),c=o&&i.flow_w!==void 0?jt(i.flow_w,r,e.language):void 0,l=n.filter(t=>X(e,u(t,`online`,`binary_sensor.`))).length,d=r(`housesOnline`,l,n.length),f=Y(e,u(t,`cluster_state_of_charge`)),p=[Y(e,u(t,`cluster_frequency`)),f].filter(Boolean).join(` · `),m=o?i.direction:`none`,h=[t.name,i.condition===`offline`?r(`offline`):s,c,p,d];return B`<section class="group" aria-label=${t.name}>
      <button
        class="head ${i.condition} flow-${m} ${o===!1?`open`:``}"
        aria-label=${h.filter(Boolean).join(`, `)}
        @click=${()=>this.moreInfo(i.condition===`fault`?i.target:a??i.target)}
      >
        <span class="tie">${bt(o)}</span>
        <span class="words">
          <span class="line"><span class="name" title=${t.name}>${t.name}</span>${this.renderBadges(i)}</span>
          <span class="line detail">
            <span class="state">${i.condition===`offline`?r(`offline`):s}</span>
            ${c?this.renderFlow(e,i):H}
          </span>
          <span class="line detail">${i.condition===`offline`?d:p||d}</span>
        </span>
      </button>
      ${this.renderRows(e,n,r)}
    </section>`}renderGroup(e,t,n,r){return B`<section class="group" aria-label=${t}>
      <div class="head plain">
        <span class="tie"></span>
        <span class="words"><span class="line"><span class="name">${t}</span></span></span>
      </div>
      ${this.renderRows(e,n,r)}
    </section>`}renderRows(e,t,n){return B`<ul class="rows">
      ${t.map(t=>this.renderRow(e,t,n))}
    </ul>`}renderRow(e,t,n){let r=Pt(e,t,n),i=r.condition===`offline`,a=r.charge!==void 0&&r.charge<Bt?`low`:``;return B`<li>
      <button
        class="row ${r.condition} flow-${r.direction} ${a}"
        aria-label=${r.label}
        @click=${()=>this.moreInfo(r.target)}
      >
        <span class="drop"></span>
        <span class="glyph">${this.renderGlyph(t,r)}</span>
        <span class="words">
          <span class="line"><span class="name" title=${t.name}>${t.name}</span>${this.renderBadges(r)}</span>
          <span class="line detail">
            ${i?n(`offline`):B`${this.renderFlow(e,r)}
                  ${r.sun?B`<span class="sun"><ha-icon icon="mdi:white-balance-sunny"></ha-icon>${r.sun}</span>`:H}
                  ${r.facts.map(e=>B`<span class="fact">${e}</span>`)}`}
          </span>
        </span>
      </button>
    </li>`}renderGlyph(e,t){let n=t.charge===void 0?void 0:`${Math.round(t.charge)}%`;return e.kind===`house`?yt(`house`,t.charge,n):e.kind===`battery`?yt(`battery`,t.charge,n):B`<span class="icon"><ha-icon .icon=${It(e)}></ha-icon></span>`}renderFlow(e,t){return t.flow_w===void 0?H:B`<span class="flow ${t.direction}"
      ><span class="arrow">${zt[t.direction]}</span>${Z(Math.abs(t.flow_w),e.language)}</span
    >`}renderBadges(e){if(e.condition!==`fault`)return H;let[t,...n]=e.faultCodes;return B`<span class="fault-badge"><ha-icon icon="mdi:alert"></ha-icon>${`${t??``}${n.length?` +${n.length}`:``}`}</span>`}moreInfo(e){e&&this.dispatchEvent(new CustomEvent(`hass-more-info`,{bubbles:!0,composed:!0,detail:{entityId:e}}))}};function Ut(e,t,n){customElements.get(e)||(customElements.define(e,t),n(window))}await customElements.whenDefined(`home-assistant`);var $=n(navigator.language);Ut(`microgrid-swarm-card`,Ht,e=>{(e.customCards??=[]).push({type:`microgrid-swarm-card`,name:$(`title`),description:$(`description`)})}),Ut(`ll-strategy-dashboard-microgrid`,Se,e=>{(e.customStrategies??=[]).push({type:`microgrid`,strategyType:`dashboard`,name:$(`title`),description:$(`description`)})});