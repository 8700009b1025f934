@echo off
rem datapath.exchange: this fills a Group Policy object with the rules of edge1.
rem Run it where Group Policy is managed, with the domain and the name of the object, a backslash between, in double quotes where there are
rem blanks. It deletes the rules of these names from the object before it makes them, so it can run again. Rules of an older plan have other
rem names: empty the object first, or delete those that begin with datapath.exchange. To take it back, unlink the object. RPC ports are not in
rem it.
rem How netsh names the object: https://learn.microsoft.com/windows/security/operating-system-security/network-security/windows-firewall/
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
if "%~1"=="" (echo Usage: edge1-gpo.cmd DOMAIN\OBJECT with letters, digits, blanks and ._- only& exit /b 2)
set "G=%~1"
set G| "%T%\findstr.exe" /r /x /c:"G=[A-Za-z0-9._-]*\\[A-Za-z0-9 ._-]*" >nul
if errorlevel 1 (echo Usage: edge1-gpo.cmd DOMAIN\OBJECT with letters, digits, blanks and ._- only& exit /b 2)
>"%TEMP%\datapath-edge1.netsh" echo advfirewall set store gpo="%G%"
"%T%\netsh.exe" -f "%TEMP%\datapath-edge1.netsh" || (echo DATAPATH-FAILED 1& exit /b 1)
>"%TEMP%\datapath-edge1.netsh" echo advfirewall set store gpo="%G%"
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall firewall delete rule name="datapath.exchange out edge-time d11e97da"
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall firewall delete rule name="datapath.exchange out edge-to-edge-smtp 93c40f35"
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall firewall delete rule name="datapath.exchange out edge-to-edge-smtp b9f6a9fd"
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall firewall delete rule name="datapath.exchange out edge-to-edge-smtp 832ebb27"
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall firewall delete rule name="datapath.exchange out edge-to-hub-smtp a3d6693b"
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in remote-desktop adc02d37"
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in edgesync-ldaps 2777678a"
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in edge-to-edge-smtp ab78d630"
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in hub-to-edge-smtp e0959188"
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in management 50aecdfd"
"%T%\netsh.exe" -f "%TEMP%\datapath-edge1.netsh" >nul 2>&1
>"%TEMP%\datapath-edge1.netsh" echo advfirewall set store gpo="%G%"
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall firewall add rule name="datapath.exchange in management 50aecdfd" dir=in action=allow description="management" profile=any protocol=tcp localport=22,5985-5986 remoteip=192.0.2.250
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall firewall add rule name="datapath.exchange in hub-to-edge-smtp e0959188" dir=in action=allow description="hub-to-edge-smtp" profile=any protocol=tcp localport=25 remoteip=192.0.2.11-192.0.2.12
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall firewall add rule name="datapath.exchange in edge-to-edge-smtp ab78d630" dir=in action=allow description="edge-to-edge-smtp internet-mail-edge" profile=any protocol=tcp localport=25 remoteip=0.0.0.0-255.255.255.255
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall firewall add rule name="datapath.exchange in edgesync-ldaps 2777678a" dir=in action=allow description="edgesync-ldaps" profile=any protocol=tcp localport=50636 remoteip=192.0.2.11-192.0.2.12
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall firewall add rule name="datapath.exchange in remote-desktop adc02d37" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=192.0.2.250
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall firewall add rule name="datapath.exchange out edge-to-hub-smtp a3d6693b" dir=out action=allow description="edge-to-hub-smtp" profile=any protocol=tcp remoteport=25 remoteip=192.0.2.11-192.0.2.12
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall firewall add rule name="datapath.exchange out edge-to-edge-smtp 832ebb27" dir=out action=allow description="edge-to-edge-smtp edge-name-resolution" profile=any protocol=tcp remoteport=53 remoteip=203.0.113.53
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall firewall add rule name="datapath.exchange out edge-to-edge-smtp b9f6a9fd" dir=out action=allow description="edge-to-edge-smtp edge-name-resolution" profile=any protocol=udp remoteport=53 remoteip=203.0.113.53
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall firewall add rule name="datapath.exchange out edge-to-edge-smtp 93c40f35" dir=out action=allow description="edge-to-edge-smtp internet-mail-edge" profile=any protocol=tcp remoteport=25 remoteip=0.0.0.0-255.255.255.255
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall firewall add rule name="datapath.exchange out edge-time d11e97da" dir=out action=allow description="edge-time" profile=any protocol=udp remoteport=123 remoteip=203.0.113.123
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall set domainprofile firewallpolicy blockinbound,blockoutbound
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall set domainprofile logging droppedconnections enable
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall set domainprofile state on
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall set privateprofile firewallpolicy blockinbound,blockoutbound
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall set privateprofile logging droppedconnections enable
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall set privateprofile state on
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall set publicprofile firewallpolicy blockinbound,blockoutbound
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall set publicprofile logging droppedconnections enable
>>"%TEMP%\datapath-edge1.netsh" echo advfirewall set publicprofile state on
"%T%\netsh.exe" -f "%TEMP%\datapath-edge1.netsh"
set "CODE=%errorlevel%"
del /q "%TEMP%\datapath-edge1.netsh" >nul 2>&1
if not "%CODE%"=="0" (echo DATAPATH-FAILED: some of the lines above& exit /b 1)
echo DATAPATH-DONE
exit /b 0
